//! The body of an answer on its way: late, cut off, or torn.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use stagewright_apiserver::Body;
use tokio::time::{Instant, Sleep, sleep_until};

/// How a stream is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cut {
    /// It ends, as if the server had ended it.
    #[default]
    Ended,
    /// The connection is reset.
    Reset,
    /// It ends in the middle of an event.
    Torn,
    /// Nothing comes any more.
    Silent,
}

/// See the module.
pub struct Stream {
    source: Option<Body>,
    lag: Duration,
    cut: Option<(Instant, Cut)>,
    /// What is under way, and when it is there.
    late: VecDeque<(Instant, Bytes)>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    /// A stream that brings everything so much later, until it is cut off.
    #[must_use]
    pub fn new(source: Body, lag: Duration, cut: Option<(Instant, Cut)>) -> Self {
        Self {
            source: Some(source),
            lag,
            cut,
            late: VecDeque::new(),
            sleep: None,
        }
    }

    /// Reads what the server has to say.
    fn read(&mut self, context: &mut Context<'_>) {
        let now = Instant::now();
        while let Some(source) = &mut self.source {
            match http_body::Body::poll_frame(Pin::new(source), context) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.late.push_back((now + self.lag, bytes));
                    }
                }
                Poll::Ready(None) => self.source = None,
                Poll::Pending => return,
            }
        }
    }

    /// The end before its time. None: it is silent.
    fn end(&mut self, cut: Cut) -> Option<Option<Result<Frame<Bytes>, Error>>> {
        self.source = None;
        let late = std::mem::take(&mut self.late).pop_front();
        match cut {
            Cut::Silent => None,
            Cut::Ended => Some(None),
            Cut::Reset => Some(Some(Err(Error::new(
                ErrorKind::ConnectionReset,
                "connection reset",
            )))),
            Cut::Torn => {
                let half = |bytes: Bytes| bytes.slice(..bytes.len() / 2);
                self.cut = None;
                Some(late.map(|(_, bytes)| Ok(Frame::data(half(bytes)))))
            }
        }
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        loop {
            let now = Instant::now();
            if let Some((_, cut)) = this.cut.filter(|(at, _)| *at <= now) {
                return match this.end(cut) {
                    Some(end) => Poll::Ready(end),
                    None => Poll::Pending,
                };
            }
            this.read(context);
            let due = this.late.front().map(|(due, _)| *due);
            if due.is_some_and(|due| due <= now) {
                let bytes = this.late.pop_front().map(|(_, bytes)| bytes);
                return Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))));
            }
            if this.source.is_none() && this.late.is_empty() {
                return Poll::Ready(None);
            }
            let cut = this.cut.map(|(at, _)| at);
            let Some(next) = due.into_iter().chain(cut).min() else {
                return Poll::Pending;
            };
            let sleep = this.sleep.insert(Box::pin(sleep_until(next)));
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}
