//! The structure of the source: which room may use which, how long a file may be, how much of it is comments.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` that ends in `.extension`, with its text.
fn files(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty(), "no .{extension} in {folder}");
    found
}

/// The room that a file of `src` belongs to: the folder, or the file itself.
fn room(path: &Path) -> String {
    let name = path.components().nth(1).unwrap().as_os_str().to_string_lossy();
    name.trim_end_matches(".rs").to_owned()
}

/// The rooms from the top, as the head of `src/lib.rs` lists them: each may use only those below it. Tests may use any.
#[test]
fn arrows_point_only_down() {
    let head = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let listed = |line: &str| Some(line.strip_prefix("//! - ")?.split('`').nth(1)?.to_owned());
    let rooms: Vec<String> = head.lines().filter_map(listed).collect();
    for (path, text) in files("src", "rs") {
        let room = room(&path);
        if ["lib", "main"].contains(&room.as_str()) {
            continue;
        }
        let place = |name: &str| rooms.iter().position(|room| room == name);
        let own = place(&room).unwrap_or_else(|| panic!("src/lib.rs does not list `{room}`"));
        let program = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for used in program.split("crate::").skip(1) {
            let end = used.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap();
            let other = place(&used[..end]);
            let other = other.unwrap_or_else(|| panic!("{}: what is crate::{}?", path.display(), &used[..end + 1]));
            assert!(other >= own, "{}: `{room}` must not use `{}`, which is above it", path.display(), rooms[other]);
        }
    }
}

/// A longer one says near its top why: `// Over 400 lines: …`.
#[test]
fn files_are_short() {
    let rust = ["src", "examples", "web/src", "xtask/src"].map(|folder| (folder, "rs", 400));
    for (folder, extension, most) in rust.into_iter().chain([("shaders", "wgsl", 150)]) {
        for (path, text) in files(folder, extension) {
            let lines = text.lines().count();
            let reason = format!("// Over {most} lines: ");
            let says_why = text.lines().take(10).any(|line| line.starts_with(&reason));
            let path = path.display();
            assert!(lines <= most || says_why, "{path} has {lines} lines: split it, or say `{reason}…` at its top");
            assert!(lines > most || !says_why, "{path} has but {lines} lines: take its reason away");
        }
    }
}

/// From 8 to 14 % of the lines that are not empty, as in well-kept projects of this kind; of each room about so many.
#[test]
fn comments_are_neither_few_nor_many() {
    let mut rooms = std::collections::BTreeMap::<String, [usize; 2]>::new();
    for (path, text) in files("src", "rs") {
        let [comments, lines] = rooms.entry(room(&path)).or_default();
        *comments += text.lines().filter(|line| line.trim_start().starts_with("//")).count();
        *lines += text.lines().filter(|line| !line.trim().is_empty()).count();
    }
    let percent = |[comments, lines]: [usize; 2]| 100.0 * comments as f64 / lines as f64;
    for (room, &counts) in rooms.iter().filter(|(_, [_, lines])| *lines >= 400) {
        let percent = percent(counts);
        assert!((7.0..=15.0).contains(&percent), "{percent:.1} % of the lines of `{room}` are comments");
    }
    let whole = percent(rooms.values().fold([0, 0], |sum, counts| [sum[0] + counts[0], sum[1] + counts[1]]));
    assert!((8.0..=14.0).contains(&whole), "{whole:.1} % of all lines are comments");
}

/// Markdown files of the repository's own, with their texts.
fn pages() -> Vec<(PathBuf, String)> {
    let tops = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from);
    let read = |path: PathBuf| (path.clone(), fs::read_to_string(root().join(path)).unwrap());
    tops.into_iter().map(read).chain(files("docs", "md")).collect()
}

/// Links within the repository lead to something.
#[test]
fn links_lead_somewhere() {
    for (page, text) in pages() {
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        let listed =
            text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ").map(|(_, target)| target));
        for target in inline.chain(listed).filter(|target| !target.contains("://") && !target.starts_with('#')) {
            let path = target.split('#').next().unwrap();
            let folder = root().join(&page).parent().unwrap().to_owned();
            assert!(folder.join(path).exists(), "{}: {target} leads nowhere", page.display());
        }
    }
}

/// The code in `docs/adding.md` is code of the repository, line by line (an … stands for what is left out).
#[test]
fn worked_examples_are_the_code() {
    let sources: String = ["src", "shaders", "tests"]
        .into_iter()
        .flat_map(|folder| files(folder, if folder == "shaders" { "wgsl" } else { "rs" }))
        .map(|(_, text)| text)
        .collect();
    let known: std::collections::HashSet<&str> = sources.lines().map(str::trim).collect();
    let page = fs::read_to_string(root().join("docs/adding.md")).unwrap();
    let mut inside = false;
    for line in page.lines().map(str::trim) {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside && !line.contains('…') {
            assert!(known.contains(line), "docs/adding.md has code that is nowhere: {line}");
        }
    }
}
