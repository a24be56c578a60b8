//! How wide text is, so that it never leaves its box: advance widths of the printable ASCII characters, each the
//! larger of Liberation Sans (metrically Arial and Helvetica) and DejaVu Sans, the fonts that viewers fall back to.

/// What drawings are set in.
pub const FONT_STACK: &str = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif";

/// Thousandths of the font size, from the space to the tilde.
static REGULAR: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636,
    636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 556, 1015, 684, 686, 722, 770, 667, 611, 778, 752, 295,
    500, 667, 557, 863, 748, 787, 667, 787, 722, 667, 611, 732, 684, 989, 685, 667, 685, 390, 337, 390, 838,
    556, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521,
    392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];

static BOLD: [u16; 95] = [
    348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696, 696, 696, 696,
    696, 696, 696, 696, 696, 400, 400, 838, 838, 838, 611, 1000, 774, 762, 734, 830, 683, 683, 821, 837, 372,
    556, 775, 637, 995, 837, 850, 733, 850, 770, 720, 682, 812, 774, 1103, 771, 724, 725, 457, 365, 457, 838,
    556, 500, 675, 716, 593, 716, 678, 435, 716, 712, 343, 343, 665, 343, 1042, 712, 687, 716, 716, 493, 595,
    478, 712, 652, 924, 645, 652, 582, 712, 365, 712, 838,
];

/// How a text is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    pub size: f64,
    pub is_bold: bool,
}

impl Face {
    pub const fn regular(size: f64) -> Self {
        Self { size, is_bold: false }
    }
    pub const fn bold(size: f64) -> Self {
        Self { size, is_bold: true }
    }

    /// At most this wide in any font of [`FONT_STACK`].
    pub fn width(self, text: &str) -> f64 {
        let table = if self.is_bold { &BOLD } else { &REGULAR };
        let advance = |c: char| match c {
            ' '..='~' => table[c as usize - 0x20],
            '·' | '⌈' | '⌉' | '‖' => 500,
            '×' | '→' | '−' | '≥' | '≤' => 1000,
            // Accented letters and Greek are narrower than this, signs of other scripts as wide.
            _ => 1000,
        };
        text.chars().map(|c| f64::from(advance(c))).sum::<f64>() * self.size / 1000.0
    }

    /// The text, cut with an ellipsis where it is wider than `room`.
    pub fn fit(self, text: &str, room: f64) -> String {
        if self.width(text) <= room {
            return text.to_owned();
        }
        let mut kept = String::new();
        let mut left = room - self.width("…");
        for c in text.chars() {
            left -= self.width(c.encode_utf8(&mut [0; 4]));
            if left < 0.0 {
                break;
            }
            kept.push(c);
        }
        kept.truncate(kept.trim_end().len());
        kept + "…"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_cut_fits_its_room() {
        let face = Face::regular(10.0);
        assert_eq!(face.fit("short", 100.0), "short");
        for room in [20.0, 33.0, 57.5] {
            let text = face.fit("a_very_long_name_of_a_block", room);
            assert!(text.ends_with('…') && face.width(&text) <= room, "{text}");
        }
    }

    #[test]
    fn every_printable_character_has_a_width() {
        assert!(REGULAR.iter().zip(&BOLD).all(|(&regular, &bold)| regular > 200 && bold > 200));
        assert!((Face::regular(10.0).width("nodes[N, 64]") - 68.0).abs() < 5.0);
    }
}
