//! The body of an answer that ends when the server does.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::body::Body;

/// A body. A watch, which has no end of its own that is near, ends with the server.
pub(super) struct Until {
    body: Body,
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    over: bool,
}

// === impl Until ===

impl Until {
    pub(super) fn new(body: Body, stop: &CancellationToken) -> Self {
        let watches = matches!(body, Body::Watch(_));
        Self {
            body,
            stop: watches.then(|| Box::pin(stop.clone().cancelled_owned())),
            over: false,
        }
    }
}

impl http_body::Body for Until {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // What is there to be told is told first.
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_pending()
            && let Some(stop) = &mut self.stop
            && stop.as_mut().poll(context).is_ready()
        {
            self.over = true;
            return Poll::Ready(None);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
