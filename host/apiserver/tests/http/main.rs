//! The server as its clients see it: requests through the service, without a socket.

mod discovery;
mod objects;
mod support;
mod watches;
