//! The server as its clients see it: requests through the service, without a socket.

mod objects;
mod support;
mod watches;
