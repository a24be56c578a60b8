"use strict";
(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const stage = document.getElementById("stage");
  const svg = stage.querySelector("svg");
  const panel = document.getElementById("panel");
  const size = { width: svg.width.baseVal.value, height: svg.height.baseVal.value };
  const view = { x: 0, y: 0, scale: 1 };

  const show = () => {
    svg.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
  };
  const fit = () => {
    const wide = stage.clientWidth / size.width;
    // A tall drawing starts at its top, as wide as it is legible.
    view.scale = Math.min(wide, Math.max(stage.clientHeight / size.height, 0.8), 1.6);
    view.x = Math.max(0, (stage.clientWidth - size.width * view.scale) / 2);
    view.y = Math.max(0, (stage.clientHeight - size.height * view.scale) / 2);
    show();
  };
  const zoom = (factor, x, y) => {
    const scale = Math.min(8, Math.max(0.05, view.scale * factor));
    view.x = x - (x - view.x) * (scale / view.scale);
    view.y = y - (y - view.y) * (scale / view.scale);
    view.scale = scale;
    show();
  };
  const zoomMiddle = (factor) => zoom(factor, stage.clientWidth / 2, stage.clientHeight / 2);

  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });

  let drag = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.target.closest("#tools")) return;
    drag = { x: event.clientX - view.x, y: event.clientY - view.y, fromX: event.clientX, fromY: event.clientY, moved: false };
  });
  stage.addEventListener("pointermove", (event) => {
    if (!drag) return;
    if (!drag.moved && Math.hypot(event.clientX - drag.fromX, event.clientY - drag.fromY) > 4) {
      drag.moved = true;
      stage.setPointerCapture(event.pointerId);
      stage.classList.add("dragging");
    }
    if (drag.moved) {
      view.x = event.clientX - drag.x;
      view.y = event.clientY - drag.y;
      show();
    }
  });
  const release = () => {
    drag = null;
    stage.classList.remove("dragging");
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);

  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const table = (rows) => {
    const made = element("table");
    for (const [name, value, note] of rows) {
      const row = element("tr");
      row.append(element("th", name));
      const cell = element("td", value);
      if (note) cell.append(element("br"), element("span", note, "faint"));
      row.append(cell);
      made.append(row);
    }
    return made;
  };
  const units = [...svg.querySelectorAll(".unit")];
  let fixed = null;
  const describe = (idx) => {
    units.forEach((unit) => unit.classList.toggle("chosen", Number(unit.dataset.unit) === idx));
    svg.querySelectorAll(".edge").forEach((edge) =>
      edge.classList.toggle("near", Number(edge.dataset.from) === idx || Number(edge.dataset.to) === idx));
    panel.replaceChildren();
    const unit = facts[idx];
    if (!unit) {
      panel.append(element("p", "Point at a stage to see what it is; click to keep it.", "faint"));
      return;
    }
    for (const part of unit.parts) {
      panel.append(element("h2", part.title));
      if (part.summary) panel.append(element("p", part.summary));
      if (part.formula) panel.append(element("p", part.formula, "formula"));
      if (part.paper) panel.append(element("p", part.paper, "faint"));
      if (part.facts.length) panel.append(table(part.facts));
      if (part.arguments.length) panel.append(table(part.arguments));
    }
    if (unit.losses.length) {
      panel.append(element("h2", "Losses computed here"), table(unit.losses));
    }
  };
  units.forEach((unit) => {
    const idx = Number(unit.dataset.unit);
    unit.setAttribute("tabindex", "0");
    unit.querySelector("title")?.remove();
    unit.setAttribute("aria-label", facts[idx].label);
    unit.addEventListener("pointerenter", () => { if (fixed === null && !drag?.moved) describe(idx); });
    unit.addEventListener("focus", () => { if (fixed === null) describe(idx); });
  });
  stage.addEventListener("click", (event) => {
    const unit = event.target.closest(".unit");
    fixed = unit ? Number(unit.dataset.unit) : null;
    describe(fixed);
  });
  stage.addEventListener("keydown", (event) => {
    const unit = event.target.closest(".unit");
    if (event.key === "Enter" && unit) {
      fixed = Number(unit.dataset.unit);
      describe(fixed);
    } else if (event.key === "Escape") {
      fixed = null;
      describe(null);
    } else if (event.key === "+" || event.key === "=") {
      zoomMiddle(1.25);
    } else if (event.key === "-") {
      zoomMiddle(0.8);
    } else if (event.key === "0") {
      fit();
    }
  });
  document.getElementById("in").addEventListener("click", (event) => { event.stopPropagation(); zoomMiddle(1.25); });
  document.getElementById("out").addEventListener("click", (event) => { event.stopPropagation(); zoomMiddle(0.8); });
  document.getElementById("fit").addEventListener("click", (event) => { event.stopPropagation(); fit(); });
  window.addEventListener("resize", fit);
  describe(null);
  fit();
})();
