//! A program on a terminal that nobody sits at.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::pty::{Winsize, openpty};
use vt100::Parser;

/// A program draws a whole screen without a pause that is as long.
const DRAWN: Duration = Duration::from_millis(100);

/// A program that runs on a terminal. It is killed when the value goes.
pub struct Terminal {
    child: Child,
    output: Receiver<Vec<u8>>,
    screen: Parser,
}

// === impl Terminal ===

impl Terminal {
    /// Starts the program on a terminal of so many rows and columns, at home in the folder and without anything else of our environment.
    ///
    /// # Errors
    /// If there is no terminal for it, or no program.
    pub fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: &[A],
        home: &Path,
        (rows, columns): (u16, u16),
    ) -> Result<Self> {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(Some(&size), None).context("a terminal")?;
        let side = || anyhow::Ok(Stdio::from(pair.slave.try_clone()?));
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("HOME", home)
            .env("TERM", "xterm-256color")
            .stdin(side()?)
            .stdout(side()?)
            .stderr(side()?)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let (sender, output) = mpsc::channel();
        let mut master = File::from(pair.master);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The end of the program is an error of its terminal.
            while let Ok(count @ 1..) = master.read(&mut bytes) {
                let drawn = bytes.get(..count).unwrap_or_default();
                if sender.send(drawn.to_owned()).is_err() {
                    return;
                }
            }
        });
        let (rows, columns) = (rows.try_into()?, columns.try_into()?);
        Ok(Self {
            child,
            output,
            screen: Parser::new(rows, columns, 0),
        })
    }

    /// What the screen shows, as soon as it is what is waited for and the program has drawn all of it.
    ///
    /// # Errors
    /// If that does not come within the limit, or the program ends; the error shows the screen.
    pub fn wait_for(&mut self, limit: Duration, shown: impl Fn(&str) -> bool) -> Result<String> {
        let late = Instant::now() + limit;
        loop {
            let screen = self.screen.screen();
            // Row by row: a row that is full to its end would be one with the next.
            let rows = screen.rows(0, screen.size().1.get());
            let screen = rows.map(|row| row.trim_end().to_owned() + "\n");
            let screen = screen.collect::<String>();
            match self.output.recv_timeout(DRAWN) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(RecvTimeoutError::Timeout) if shown(&screen) => return Ok(screen),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("it ended, and shows:\n{screen}"),
            }
            if Instant::now() > late {
                return Err(anyhow!("within {limit:?} it shows only:\n{screen}"));
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}
