//! What the README shows of `stagewright up`: a capture of its screen, between two marks.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::programs;
use crate::terminal::Terminal;

/// What stands before the capture in the README, and after it.
const MARKS: [&str; 2] = [
    "<!-- What `cargo run -p stagewright-tests --bin generate-capture` saw. -->\n```console\n$ stagewright up\n",
    "```\n<!-- The end of it. -->\n",
];
/// Rows and columns, the columns of which any terminal has.
const SIZE: (u16, u16) = (24, 80);
/// A good run takes a second; the machine may be busy.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs `stagewright up` with the arguments, and answers what is on its screen when all nodes and pods are settled.
///
/// # Errors
/// If it cannot be built or started, or does not settle.
pub fn take(arguments: &[&str]) -> Result<String> {
    let program = programs::stagewright()?;
    let home = tempfile::tempdir()?;
    let all: Vec<&str> = ["up"].iter().chain(arguments).copied().collect();
    let mut terminal = Terminal::start(&program, &all, home.path(), SIZE)?;
    let settled = |screen: &str| {
        let row = |first: &str| screen.lines().rfind(|line| line.starts_with(first));
        let ready = row("nodes ").and_then(|line| line.split_once(" of "));
        let ready = ready.is_some_and(|(ready, all)| {
            let ready = ready.split_whitespace().last();
            ready == all.split_whitespace().next()
        });
        let pods =
            row("pods ").is_some_and(|line| line.ends_with(" Running") && !line.contains(','));
        ready && pods && screen.contains("settled: ") && screen.contains("Ctrl-C")
    };
    let screen = terminal.wait_for(LIMIT, settled)?;
    Ok(format!("{}\n", screen.trim_end()))
}

/// The capture that a README has.
///
/// # Errors
/// If it has none.
pub fn of_readme(readme: &str) -> Result<&str> {
    let [before, after] = MARKS;
    let (_, rest) = readme
        .split_once(before)
        .context("the README has no mark of a capture")?;
    let (capture, _) = rest
        .split_once(after)
        .context("the README's capture has no end")?;
    Ok(capture)
}

/// The README with this capture in place of its own.
///
/// # Errors
/// If it has none.
pub fn replaced(readme: &str, capture: &str) -> Result<String> {
    let [before, after] = MARKS;
    let known = format!("{before}{}{after}", of_readme(readme)?);
    Ok(readme.replacen(&known, &format!("{before}{capture}{after}"), 1))
}

/// A capture without what differs from run to run: numbers, their units, and how much room they take.
#[must_use]
pub fn shape(capture: &str) -> Vec<String> {
    let word = |word: &str| {
        let mut shape = String::new();
        for character in word.chars() {
            let in_number =
                character.is_ascii_digit() || (character == '.' && shape.ends_with('#'));
            match (in_number, shape.ends_with('#')) {
                (true, true) => {}
                (true, false) => shape.push('#'),
                (false, _) => shape.push(character),
            }
        }
        match &*shape {
            // No stage was played in the last moments.
            "-" => "# s".to_owned(),
            "ms" => "s".to_owned(),
            _ => shape,
        }
    };
    let line = |line: &str| {
        line.split_whitespace()
            .map(word)
            .collect::<Vec<_>>()
            .join(" ")
    };
    capture.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_shape_and_words_have() {
        let one = shape("   0.9 s  100 of 100 at http://127.0.0.1:80\nlag     9 ms");
        assert_eq!(
            one,
            shape("  10.0 s  7 of 7 at http://127.0.0.1:41234\nlag     -")
        );
        assert_ne!(
            one,
            shape("  10.0 s  7 of 7 on http://127.0.0.1:41234\nlag     -")
        );
    }

    #[test]
    fn a_capture_takes_the_place_of_the_one_before() -> Result<()> {
        let [before, after] = MARKS;
        let readme = format!("a\n{before}old\n{after}b\n");
        let fresh = replaced(&readme, "new\n")?;
        assert_eq!(
            (of_readme(&readme)?, of_readme(&fresh)?),
            ("old\n", "new\n")
        );
        assert_eq!(fresh, format!("a\n{before}new\n{after}b\n"));
        assert!(of_readme("a\n").is_err());
        Ok(())
    }
}
