//! What the user sees: milestones, a live table on a terminal, a summary on stdout.

use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use crate::args::Output;

/// How often a table is drawn.
pub(super) const DRAWN: Duration = Duration::from_millis(500);
/// How often a line is printed where there is no terminal, if there is anything new.
const PRINTED: Duration = Duration::from_secs(2);

/// Where progress and the log meet: a line of the log goes above the table.
#[derive(Debug, Clone, Default)]
pub struct Screen(MultiProgress);

/// A screen that something is shown on.
pub(super) struct View {
    screen: Screen,
    started: Instant,
    output: Output,
    terminal: bool,
}

/// The table, as it was drawn last.
pub(super) struct Table<'a> {
    view: &'a View,
    bars: Vec<ProgressBar>,
    printed: Option<(Instant, String)>,
}

// === impl Screen ===

impl Screen {
    pub(super) fn begun(self, started: Instant, output: Output) -> View {
        View {
            screen: self,
            started,
            output,
            terminal: io::stderr().is_terminal(),
        }
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

// === impl View ===

impl View {
    fn is_text(&self) -> bool {
        self.output == Output::Text
    }

    /// A milestone, with the time since the start.
    pub(super) fn say(&self, what: &str) {
        if self.is_text() {
            self.err(&format!(
                "{:6.1} s  {what}\n",
                self.started.elapsed().as_secs_f64()
            ));
        }
    }

    /// What to do next, for people.
    pub(super) fn hint(&self, text: &str) {
        if self.is_text() {
            self.err(text);
        }
    }

    /// The summary, for scripts.
    ///
    /// # Errors
    /// If nobody reads it any more.
    pub(super) fn print(&self, summary: &Value) -> anyhow::Result<()> {
        let text = match self.output {
            Output::Text => return Ok(()),
            Output::Json => format!("{summary}\n"),
            Output::Yaml => format!("---\n{}", serde_saphyr::to_string(summary)?),
        };
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    pub(super) fn table(&self) -> Table<'_> {
        Table {
            view: self,
            bars: Vec::new(),
            printed: None,
        }
    }

    /// Takes the table away.
    pub(super) fn clear(&self) {
        let _ = self.screen.0.clear();
    }

    fn err(&self, text: &str) {
        // Nobody to read it is no reason to end.
        let _ = self
            .screen
            .0
            .suspend(|| io::stderr().write_all(text.as_bytes()));
    }
}

// === impl Table ===

impl Table<'_> {
    /// Shows the table; where there is no terminal, the one line, if it says something new.
    pub(super) fn show(&mut self, line: &str, table: &[String]) {
        if !self.view.is_text() {
            return;
        }
        if self.view.terminal {
            return self.draw(table);
        }
        let due = self
            .printed
            .as_ref()
            .is_none_or(|(at, last)| at.elapsed() >= PRINTED && last != line);
        if due {
            self.view.say(line);
            self.printed = Some((Instant::now(), line.to_owned()));
        }
    }

    fn draw(&mut self, lines: &[String]) {
        while self.bars.len() < lines.len() {
            let bar = self.view.screen.0.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            self.bars.push(bar);
        }
        for (bar, line) in self.bars.iter().zip(lines) {
            bar.set_message(line.clone());
        }
    }
}
