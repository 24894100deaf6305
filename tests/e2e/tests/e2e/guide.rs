//! What docs/guide says to type does what is written there: every page in order, on a fresh
//! directory.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use tidings_e2e::{Finished, executable, toolchain};

/// Ends what a block of commands printed.
const END: &str = "=== end of block ===";

/// A block of commands and what they are said to print.
struct Block<'a> {
    commands: &'a str,
    shown: Option<&'a str>,
}

/// What a page has between its fences.
struct Page<'a> {
    blocks: Vec<Block<'a>>,
    /// Files by the name behind the language: the reader saves them, or they are part of the tree.
    files: Vec<(&'a str, &'a str)>,
}

impl<'a> Page<'a> {
    fn read(text: &'a str) -> Self {
        let mut page = Self { blocks: Vec::new(), files: Vec::new() };
        for fenced in text.split("```").skip(1).step_by(2) {
            let (info, content) = fenced.split_once('\n').unwrap();
            match info.split_once(' ') {
                Some((_, name)) => page.files.push((name, content)),
                None if info == "sh" => {
                    page.blocks.push(Block { commands: content, shown: None });
                }
                None if info == "text" => page.blocks.last_mut().unwrap().shown = Some(content),
                None => panic!("a block of `{info}`"),
            }
        }
        page
    }

    /// Lays the reader's files into a directory; quotations must stand in the file they name.
    fn lay(&self, dir: &Path) {
        for (name, content) in &self.files {
            if !name.contains('/') {
                std::fs::write(dir.join(name), content).unwrap();
                continue;
            }
            let quoted = std::fs::read_to_string(toolchain::root().join(name)).unwrap();
            assert!(quoted.contains(content), "{name} does not say:\n{content}");
        }
    }

    fn script(&self) -> String {
        let start = "set -euo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n";
        // On a line of its own, also after an answer that does not end its line.
        let block = |block: &Block<'_>| format!("{}echo\necho '{END}'\n", block.commands);
        start.to_owned() + &self.blocks.iter().map(block).collect::<String>()
    }

    fn compare(&self, ended: &Finished) {
        let printed: Vec<&str> = ended.stdout.split(END).collect();
        for (block, printed) in self.blocks.iter().zip(&printed) {
            let Some(shown) = block.shown else { continue };
            assert!(
                matches(shown, printed),
                "{}{shown}--- but:\n{printed}\n{}",
                block.commands,
                ended.stderr
            );
        }
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
        assert_eq!(printed.len(), self.blocks.len() + 1, "{}", ended.stdout);
    }
}

/// Whether the pieces between `…` come in this order, the first and last one at the ends.
fn matches(shown: &str, printed: &str) -> bool {
    let pieces: Vec<&str> = shown.trim().split('…').collect();
    let Some(mut rest) = printed.trim().strip_prefix(pieces[0]) else { return false };
    for piece in &pieces[1..] {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty() || printed.trim().ends_with(pieces[pieces.len() - 1]) && pieces.len() > 1
}

/// A port that was free a moment ago: a page needs the same one for two starts.
fn port() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port().to_string()
}

/// Does what a page says, with further programs at the front of the path.
fn follow(text: &str, programs: &[&Path]) {
    let dir = tempfile::tempdir().unwrap();
    let page = Page::read(text);
    page.lay(dir.path());
    let places = programs.iter().copied().chain([executable().parent().unwrap()]);
    let places: Vec<String> = places.map(|place| place.display().to_string()).collect();
    let path = format!("{}:{}", places.join(":"), std::env::var("PATH").unwrap());
    // timeout ends the service of the page, too.
    let mut bash = Command::new("timeout");
    bash.args(["-s", "KILL", "120", "bash", "-c", &page.script()]).current_dir(dir.path());
    bash.env("PATH", path).env("PORT", port()).env_remove("TIDINGS_SERVER");
    bash.env("TIDINGS", toolchain::root()).env("PYTHONDONTWRITEBYTECODE", "1");
    page.compare(&bash.output().unwrap().into());
}

#[test]
fn the_first_steps_can_be_taken() {
    follow(include_str!("../../../../docs/guide/first-steps.md"), &[]);
}

#[test]
fn the_page_about_filters_can_be_followed() {
    follow(include_str!("../../../../docs/guide/filters.md"), &[]);
}

#[test]
fn the_python_page_can_be_followed() {
    let Some(python) = toolchain::python() else { return };
    let text = include_str!("../../../../docs/guide/python.md");
    follow(text, &[python.parent().unwrap()]);
}

#[test]
fn the_browser_page_can_be_followed() {
    if toolchain::node().is_some() {
        follow(include_str!("../../../../docs/guide/browser.md"), &[]);
    }
}

#[test]
fn the_go_page_can_be_followed() {
    if toolchain::go().is_some() {
        follow(include_str!("../../../../docs/guide/go.md"), &[]);
    }
}

#[test]
fn the_rust_page_can_be_followed() {
    let programs = Path::new(env!("CARGO_BIN_EXE_guide_producer")).parent().unwrap();
    follow(include_str!("../../../../docs/guide/rust.md"), &[programs]);
}

#[test]
fn every_page_of_the_guide_is_followed() {
    let pages = std::fs::read_dir(toolchain::root().join("docs/guide")).unwrap();
    let mut pages: Vec<String> =
        pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    let known = ["browser.md", "filters.md", "first-steps.md", "go.md", "python.md", "rust.md"];
    assert_eq!(pages, known);
}
