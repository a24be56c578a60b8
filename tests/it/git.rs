//! Git as a user has it: repositories made for the test, the installed driver and hook run by git itself.

use crate::skip::{self, skip};
use git2::{ConfigLevel, IndexAddOption, Repository, RepositoryInitOptions, Signature};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;
use tempfile::TempDir;

/// A repository and a home folder of its own.
struct Place {
    folder: TempDir,
    repository: Repository,
}

impl Place {
    fn new() -> Self {
        static ALONE: Once = Once::new();
        ALONE.call_once(|| {
            for level in
                [ConfigLevel::Global, ConfigLevel::XDG, ConfigLevel::System, ConfigLevel::ProgramData]
            {
                // SAFETY: runs once, before any repository of these tests is opened.
                unsafe { git2::opts::set_search_path(level, "").unwrap() };
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let mut options = RepositoryInitOptions::new();
        options.initial_head("main").external_template(false);
        let repository = Repository::init_opts(folder.path().join("repo"), &options).unwrap();
        let mut config = repository.config().unwrap();
        config.set_str("user.name", "A. Author").unwrap();
        config.set_str("user.email", "author@example.org").unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        Self { folder, repository }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Commits everything on disk, without hooks.
    fn commit(&self, message: &str) {
        let mut index = self.repository.index().unwrap();
        index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
        index.update_all(["*"], None).unwrap();
        index.write().unwrap();
        let tree = self.repository.find_tree(index.write_tree().unwrap()).unwrap();
        let author = Signature::now("A. Author", "author@example.org").unwrap();
        let parent = self.repository.head().ok().map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<_> = parent.iter().collect();
        self.repository.commit(Some("HEAD"), &author, &author, message, &tree, &parents).unwrap();
    }

    /// A program that sees nothing of the machine's git settings, nor of a hook that these tests may run in.
    fn command(&self, program: &str, folder: &str) -> Command {
        let home = self.folder.path().join("home");
        let mut command = Command::new(program);
        command
            .current_dir(self.root().join(folder))
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("GIT_CONFIG_GLOBAL", home.join(".gitconfig"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HGNN_OFFLINE", "1");
        for name in ["HGNN_DATA", "COLUMNS", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_PREFIX"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, program: &str, folder: &str, args: &[&str]) -> Output {
        self.command(program, folder).args(args).output().expect("the program starts")
    }

    /// Runs `hgnnc` in a folder and expects this exit code; standard output and standard error.
    #[track_caller]
    fn hgnnc(&self, folder: &str, args: &[&str], code: i32) -> (String, String) {
        self.expect(env!("CARGO_BIN_EXE_hgnnc"), folder, args, code)
    }

    #[track_caller]
    fn git(&self, args: &[&str], code: i32) -> (String, String) {
        self.expect("git", "", args, code)
    }

    #[track_caller]
    fn expect(&self, program: &str, folder: &str, args: &[&str], code: i32) -> (String, String) {
        let output = self.run(program, folder, args);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
        (out, err)
    }
}

/// Without the executable, what git itself does with our settings cannot be tried.
#[track_caller]
fn has_git() -> bool {
    let has = Command::new("git").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has {
        skip(skip::GIT);
    }
    has
}

const MODEL: &str = "data = hierarchy(20, community_size = 16)

model = gcn(8) -> mean -> mlp

train {
    epochs = 1
}
";

#[test]
fn git_shows_the_layout_and_stops_a_commit_that_is_wrong() {
    if !has_git() {
        return;
    }
    let place = Place::new();
    place.write("models/größe a.hgnn", MODEL);
    let (out, _) = place.hgnnc("models", &["install-git"], 0);
    assert_eq!(out.matches("written").count(), 3, "{out}");
    place.git(&["add", "-A"], 0);
    place.git(&["commit", "-m", "first"], 0);

    // A change of layout alone is none for `git diff`, and is refused by the hook.
    let path = "models/größe a.hgnn";
    place.write(path, &MODEL.replace(" -> mean", "->mean"));
    let (out, _) = place.git(&["diff"], 0);
    assert!(!out.contains("+model") && !out.contains("@@"), "{out}");
    let (_, err) = place.git(&["commit", "-am", "untidy"], 1);
    assert!(err.contains("is not in the layout of `hgnnc fmt`"), "{err}");

    // What is staged is checked, not what lies on disk.
    place.write(path, &MODEL.replace("gcn(8)", "gnc(8)"));
    place.git(&["add", "-A"], 0);
    place.write(path, MODEL);
    let (_, err) = place.git(&["commit", "-m", "wrong"], 1);
    assert!(err.contains("did you mean `gcn`"), "{err}");
    // `commit PATH` takes the file from disk by an index of its own.
    let wider = MODEL.replace("gcn(8)", "gcn(16)");
    place.write(path, &wider);
    place.git(&["commit", "-m", "right", path], 0);
    let (out, _) = place.git(&["log", "-p", "-1"], 0);
    assert!(out.contains("+model = gcn(16) -> mean -> mlp"), "{out}");

    // A model that breaks through a file it uses stops the commit too.
    place.write("lib.hgnn", "let width = 8\n");
    place.write("user.hgnn", "use \"lib.hgnn\"\n\nmodel = gcn(width) -> mean -> mlp\n");
    place.git(&["add", "-A"], 0);
    place.git(&["commit", "-m", "library"], 0);
    place.write("lib.hgnn", "let size = 8\n");
    let (_, err) = place.git(&["commit", "-am", "renamed"], 1);
    assert!(err.contains("user.hgnn:3:13"), "{err}");

    let (out, _) = place.hgnnc("", &["install-git", "--uninstall"], 0);
    assert_eq!(out.matches("removed").count(), 3, "{out}");
    let (out, _) = place.git(&["for-each-ref"], 0);
    assert!(!out.contains("textconv"), "{out}");
    place.git(&["commit", "-am", "renamed"], 0);
}

#[test]
fn git_shows_a_file_that_does_not_parse_as_it_is() {
    if !has_git() {
        return;
    }
    let place = Place::new();
    place.write("a.hgnn", MODEL);
    place.hgnnc("", &["install-git", "--no-hook"], 0);
    place.commit("first");
    place.write("a.hgnn", "model = gcn(8 ->");
    fs::write(place.root().join("latin.hgnn"), b"// gr\xf6\xdfe\n").unwrap();
    place.git(&["add", "-A"], 0);
    let output = place.run("git", "", &["diff", "--cached"]);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("+model = gcn(8 ->"), "{shown}");
}

#[test]
fn a_hook_of_the_user_stays_and_is_told_what_to_add() {
    let place = Place::new();
    place.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n");
    let (out, _) = place.hgnnc("", &["install-git"], 1);
    assert!(
        out.contains("it is yours; add this line to it:") && out.contains("pre-commit || exit 1"),
        "{out}"
    );
    assert_eq!(
        fs::read_to_string(place.root().join(".git/hooks/pre-commit")).unwrap(),
        "#!/bin/sh\nexit 0\n"
    );
    let (out, _) = place.hgnnc("", &["install-git", "--print", "--format", "json"], 1);
    let steps: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(steps[0]["state"], "already_there");
    assert_eq!(steps[2]["state"], "left_as_it_is");
}

#[test]
fn the_users_settings_take_the_driver_for_all_repositories() {
    let place = Place::new();
    place.hgnnc("", &["install-git", "--global"], 0);
    let home = place.folder.path().join("home");
    assert!(fs::read_to_string(home.join(".gitconfig")).unwrap().contains("git-textconv"));
    assert_eq!(fs::read_to_string(home.join(".config/git/attributes")).unwrap(), "*.hgnn diff=hgnn\n");
    assert!(!place.root().join(".gitattributes").exists());
    place.hgnnc("", &["install-git", "--global", "--uninstall"], 0);
    assert_eq!(fs::read_to_string(home.join(".gitconfig")).unwrap(), "");
    assert!(!home.join(".config/git/attributes").exists());
}

#[test]
fn only_changed_models_are_trained() {
    let place = Place::new();
    place.write("lib/width.hgnn", "let width = 8\n");
    place.write(
        "m/user.hgnn",
        &MODEL.replace("gcn(8)", "gcn(width)").replace("data", "use \"../lib/width.hgnn\"\ndata"),
    );
    for name in ["same", "tidied", "longer", "broken"] {
        place.write(&format!("m/{name}.hgnn"), MODEL);
    }
    let (_, err) = place.hgnnc("", &["train", "--changed-since", "git:main"], 2);
    assert!(err.contains("nothing has been committed"), "{err}");
    place.commit("first");
    let (out, _) = place.hgnnc("m", &["train", "--changed-since", "git:main"], 0);
    assert!(out.contains("nothing to train; 5 files unchanged"), "{out}");

    place.write("lib/width.hgnn", "let width = 16\n");
    place.write("m/tidied.hgnn", &MODEL.replace("gcn(8) ->", "gcn( out=8 )->"));
    place.write("m/longer.hgnn", &MODEL.replace("epochs = 1", "epochs = 2"));
    place.write("m/new.hgnn", MODEL);
    let dry = ["train", "--changed-since", "git:main", "--dry-run", "--format", "short"];
    let (out, _) = place.hgnnc("", &dry, 0);
    assert_eq!(
        out,
        "lib/width.hgnn: no model\nm/longer.hgnn: to be trained: training changed\nm/new.hgnn: to be trained: new\n\
         m/tidied.hgnn: same model\nm/user.hgnn: to be trained: architecture changed through lib/width.hgnn\n"
    );
    let (out, _) =
        place.hgnnc("m", &["train", "--changed-since", "git:main", "--out", "runs", "--format", "json"], 0);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    let trained: Vec<&str> = document["models"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|model| model["state"] == "trained")
        .map(|model| model["file"].as_str().unwrap())
        .collect();
    assert_eq!(trained, ["longer.hgnn", "new.hgnn", "user.hgnn"]);
    assert_eq!(fs::read_dir(place.root().join("m/runs")).unwrap().count(), 3);
    // The copies that runs keep are no models of their own.
    assert_eq!(place.hgnnc("", &dry, 0).0.matches("to be trained").count(), 3);

    place.write("m/broken.hgnn", "gcn(8");
    let (out, err) = place.hgnnc("m", &["train", "--changed-since", "git:main", "broken.hgnn"], 1);
    assert!(out.contains("1 file has errors") && err.contains("is never closed"), "{out}{err}");
    let (_, err) = place.hgnnc("m", &["train", "--changed-since", "git:mian"], 2);
    assert!(err.contains("did you mean `main`?"), "{err}");
    let (_, err) = place.hgnnc("m", &["train", "--changed-since", "git:main", "gone.hgnn"], 2);
    assert!(err.contains("`gone.hgnn` is neither on disk nor in main"), "{err}");
}

#[test]
fn a_file_is_read_at_a_revision_with_what_it_used_there() {
    let place = Place::new();
    place.write("lib.hgnn", "let width = 8\n");
    place.write("m/a.hgnn", "use \"../lib.hgnn\"\nmodel = gcn(width) -> mean -> mlp\n");
    place.write("a.hgnn", "model = gcn(16) -> mean -> mlp\n");
    place.commit("first");
    let hash = |folder: &str, file: &str| {
        let (out, err) = place.hgnnc(folder, &["hash", file], 0);
        (out.split_whitespace().next().unwrap().to_owned(), err)
    };
    let (eight, _) = hash("m", "a.hgnn");
    place.write("lib.hgnn", "let width = 16\n");
    let (sixteen, _) = hash("m", "a.hgnn");
    assert_ne!(eight, sixteen);
    assert_eq!(hash("", "git:HEAD:m/a.hgnn"), (eight.clone(), String::new()));
    assert_eq!(hash("m", "git:main:./a.hgnn"), (eight.clone(), String::new()));
    assert_eq!(hash("m", "git:main:/a.hgnn"), (sixteen, String::new()));
    let (here, note) = hash("m", "git:main:a.hgnn");
    assert_eq!(here, eight);
    assert!(note.contains("for `a.hgnn` at the root write `/a.hgnn`"), "{note}");
    let (_, err) = place.hgnnc("m", &["hash", "git:main"], 2);
    assert!(err.contains("names a revision, but no file"), "{err}");
    let (_, err) = place.hgnnc("m", &["hash", "git:main:b.hgnn"], 2);
    assert!(
        err.contains("main has no file") && err.contains("did you mean `m/a.hgnn` or `a.hgnn`?"),
        "{err}"
    );
    place.write("a.hgnn", "model = gcn(16 -> mean");
    place.commit("broken");
    let (_, err) = place.hgnnc("", &["hash", "git:HEAD:a.hgnn"], 1);
    assert!(err.contains("[HEAD:a.hgnn:1:"), "{err}");
}

#[test]
fn outside_of_a_repository_nothing_is_guessed() {
    let place = Place::new();
    let outside = place.folder.path().join("home");
    let (_, err) = place.hgnnc(outside.to_str().unwrap(), &["install-git"], 2);
    assert!(err.contains("is not in a git repository"), "{err}");
    assert!(!Path::new(&outside).join(".gitattributes").exists());
}

/// A repository whose `main` has these models, and changes to them on disk.
fn changed_models() -> Place {
    let place = Place::new();
    place.write("lib/width.hgnn", "let width = 8\n");
    place.write("m/user.hgnn", "use \"../lib/width.hgnn\"\n\nmodel = gcn(width) -> mean -> mlp\n");
    for name in ["longer", "old name", "same"] {
        place.write(&format!("m/{name}.hgnn"), MODEL);
    }
    place.write("m/gone.hgnn", "sage(4) -> max -> linear\n");
    place.write("m/was_broken.hgnn", "gcn(8");
    place.commit("first");
    place.write("lib/width.hgnn", "let width = 16\n");
    place.write("m/longer.hgnn", &MODEL.replace("epochs = 1", "epochs = 2"));
    fs::remove_file(place.root().join("m/gone.hgnn")).unwrap();
    fs::rename(place.root().join("m/old name.hgnn"), place.root().join("m/neuer näme.hgnn")).unwrap();
    place.write("m/new.hgnn", "gcn(4) -> mean -> mlp\n");
    place.write("m/was_broken.hgnn", MODEL);
    place
}

#[test]
fn every_changed_model_is_compared_with_a_revision() {
    let place = changed_models();
    let (out, _) = place.hgnnc("", &["diff", "--against", "git:main", "--format", "short"], 0);
    assert_eq!(
        out,
        "lib/width.hgnn: no model\nm/gone.hgnn: deleted\nm/longer.hgnn: training\n\
         m/neuer näme.hgnn: same: renamed from m/old name.hgnn\nm/new.hgnn: new\n\
         m/user.hgnn: weight-breaking: uses lib/width.hgnn, which has changed\n\
         m/was_broken.hgnn: errors at main\n"
    );
    let (out, err) = place.hgnnc("", &["diff", "--against", "git:main"], 0);
    let last = out.lines().last().unwrap();
    assert!(
        last.starts_with("6 models have changed since main (")
            && last.contains("1 deleted (interface-breaking)"),
        "{last}"
    );
    assert!(out.contains("gcn 8 → 16") && err.contains("main:m/was_broken.hgnn"), "{out}{err}");
    let (out, _) = place.hgnnc("m", &["diff", "--against", "main", "--markdown", "user.hgnn"], 0);
    assert!(out.contains("### `user.hgnn`: weight-breaking\n\nIt uses lib/width.hgnn"), "{out}");
    let (out, _) = place.hgnnc("m", &["diff", "--against", "HEAD", "--format", "json"], 0);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&document["class"], document["files"].as_array().unwrap().len()),
        (&"interface-breaking".into(), 7)
    );
    assert_eq!(document["files"][5]["diff"]["class"], "weight-breaking");

    // What ends with 1, by file.
    for (file, fails_from) in [
        ("m/gone.hgnn", Some("interface-breaking")),
        ("m/user.hgnn", Some("weight-breaking")),
        ("m/longer.hgnn", Some("training")),
        ("m/new.hgnn", None),
        ("m/neuer näme.hgnn", None),
    ] {
        let mut fails = false;
        for class in ["interface-breaking", "weight-breaking", "weight-compatible", "training", "cosmetic"] {
            fails |= fails_from == Some(class);
            let args = ["diff", "--against", "git:main", file, "--fail-on", class];
            place.hgnnc("", &args, i32::from(fails));
        }
    }
    place.hgnnc("", &["diff", "--against", "git:main", "--exit-code", "m/new.hgnn"], 1);
    place.hgnnc("", &["diff", "--against", "git:main", "--exit-code", "m/same.hgnn"], 0);
    // What cannot be compared must not pass.
    place.write("m/longer.hgnn", "gcn(8");
    let (_, err) = place.hgnnc(
        "",
        &["diff", "--against", "git:main", "--fail-on", "weight-breaking", "m/longer.hgnn"],
        2,
    );
    assert!(err.contains("`m/longer.hgnn` could not be compared"), "{err}");
    let (_, err) = place.hgnnc("", &["diff", "git:main:m/user.hgnn", "m/user.hgnn", "lib"], 2);
    assert!(err.contains("two models are needed, but 3 are given"), "{err}");
    place.hgnnc("m", &["diff", "git:main:user.hgnn", "user.hgnn", "--fail-on", "weight-breaking"], 1);
}

#[test]
fn git_says_what_changed_in_a_model() {
    if !has_git() {
        return;
    }
    let place = changed_models();
    place.hgnnc("", &["install-git", "--driver", "meaning", "--no-hook"], 0);
    place.commit("second");
    let (out, _) = place.git(&["diff", "HEAD~1", "HEAD", "--", "m"], 0);
    for expected in [
        "m/gone.hgnn: deleted",
        "m/new.hgnn: new",
        "training  epochs 1 → 2",
        "+model = gcn(8) -> mean -> mlp",
    ] {
        assert!(out.contains(expected), "{expected} in\n{out}");
    }
    // The older side has the width that it used then.
    let user = |readout: &str| {
        let text = format!("use \"../lib/width.hgnn\"\n\nmodel = gcn(width) -> {readout} -> mlp\n");
        place.write("m/user.hgnn", &text);
    };
    user("max");
    place.commit("third");
    let (out, _) = place.git(&["diff", "HEAD~2", "--", "m/user.hgnn"], 0);
    assert!(out.contains("mean → max"), "{out}");
    place.write("lib/width.hgnn", "let width = 32\n");
    user("sum");
    let (out, _) = place.git(&["diff", "HEAD", "--", "m/user.hgnn"], 0);
    assert!(out.contains("gcn 16 → 32") && out.contains("max → sum"), "{out}");
}

/// The shell lines of a step of the workflow.
fn step(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/github/hgnn-diff.yml");
    let workflow = fs::read_to_string(path).unwrap();
    let step = workflow.split("\n      - ").find(|step| step.starts_with(&format!("name: {name}\n")));
    let (_, lines) = step.expect("a step of that name").split_once("run: |\n").expect("it runs something");
    lines
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("          "))
        .map(|line| format!("{}\n", line.trim()))
        .collect()
}

#[cfg(unix)]
#[test]
fn the_workflow_comments_on_a_pull_request_and_fails_where_weights_break() {
    use std::os::unix::fs::PermissionsExt;
    if !has_git() {
        return;
    }
    if Command::new("bash").arg("--version").output().is_err() {
        return skip("the shell bash");
    }
    let place = changed_models();
    // The pull request as it is checked out: merged into its base.
    place.git(&["checkout", "-q", "-b", "topic"], 0);
    place.git(&["add", "-A"], 0);
    place.git(&["commit", "-q", "-m", "second"], 0);
    place.git(&["checkout", "-q", "main"], 0);
    place.git(&["commit", "-q", "--allow-empty", "-m", "meanwhile"], 0);
    place.git(&["merge", "-q", "--no-ff", "-m", "merge", "topic"], 0);

    let tools = place.folder.path().join("tools");
    fs::create_dir(&tools).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hgnnc"), tools.join("hgnnc")).unwrap();
    // In place of GitHub: keeps what is sent, and knows the comment once there is one.
    let gh = "#!/bin/sh\necho \"$*\" >> \"$RUNNER_TEMP/calls\"\n\
              case \"$*\" in *--paginate*) [ -e \"$RUNNER_TEMP/posted\" ] && echo 77 ;; *POST*) : > \"$RUNNER_TEMP/posted\" ;; esac\nexit 0\n";
    fs::write(tools.join("gh"), gh).unwrap();
    fs::set_permissions(tools.join("gh"), fs::Permissions::from_mode(0o755)).unwrap();
    let temp = place.folder.path().join("temp");
    fs::create_dir(&temp).unwrap();
    let run = |name: &str, env: &[(&str, &str)]| {
        let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
        place
            .command("bash", "")
            .args(["-e", "-c", &step(name)])
            .env("PATH", path)
            .env("RUNNER_TEMP", &temp)
            .env("GITHUB_OUTPUT", temp.join("output"))
            .env("GITHUB_STEP_SUMMARY", temp.join("summary"))
            .env("COMMENTS", "repos/o/r/issues/5/comments")
            .env("COMMENT", "repos/o/r/issues/comments")
            .env("ALLOWING_LABEL", "breaks-weights")
            .envs(env.iter().copied())
            .output()
            .unwrap()
    };
    let read = |name: &str| fs::read_to_string(temp.join(name)).unwrap();
    let compared = run("Compare with the base", &[]);
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stderr));
    assert_eq!(read("output"), "code=1\n");
    assert!(read("summary").contains("### `m/user.hgnn`: weight-breaking"));
    assert!(read("comment.md").starts_with("<!-- hgnnc diff -->\n## Models\n"));
    assert!(run("Comment", &[]).status.success() && run("Comment", &[]).status.success());
    let calls = read("calls");
    assert!(
        calls.contains("POST repos/o/r/issues/5/comments")
            && calls.contains("PATCH repos/o/r/issues/comments/77"),
        "{calls}"
    );
    let checked = run("Format and check", &[]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let judge = |code: &str, allowed: &str| {
        run("Weights still load", &[("CODE", code), ("ALLOWED", allowed)]).status.code().unwrap()
    };
    assert_eq!([judge("0", "false"), judge("1", "false"), judge("1", "true")], [0, 1, 0]);
    // A model that does not compile has no comparison, and the check says why.
    place.write("m/longer.hgnn", "gcn(8");
    place.git(&["add", "-A"], 0);
    assert_eq!(run("Compare with the base", &[]).status.code(), Some(2));
    assert!(!run("Format and check", &[]).status.success());
}
