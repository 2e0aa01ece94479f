//! Pods walked through their lives, natively, each step checked by the rules of the API server and of the kubelet.

mod deletion;
mod fast;
mod general;
mod settings;
mod world;
