//! The server as its clients see it: requests through the service without a socket, and through a port.

mod discovery;
mod objects;
mod serving;
mod support;
mod watches;
