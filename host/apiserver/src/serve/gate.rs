//! Who is let in.

use http::header::{AUTHORIZATION, HOST};
use http::{Request, Uri};

use crate::status::Status;

/// What whoever watches over the process asks for, without a token too.
const HEALTH: [&str; 3] = ["/livez", "/readyz", "/healthz"];

/// Looks at a request before anything is done with it.
pub(super) struct Gate {
    token: Option<Box<[u8]>>,
}

// === impl Gate ===

impl Gate {
    pub(super) fn new(token: Option<&str>) -> Self {
        Self {
            token: token.map(|token| token.as_bytes().into()),
        }
    }

    /// Whether the request comes in.
    ///
    /// # Errors
    /// 401 without the token. Where there is none, 403 for a request that a web page could have sent.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Status> {
        let Some(token) = &self.token else {
            return not_from_the_web(request);
        };
        if HEALTH.contains(&request.uri().path()) {
            return Ok(());
        }
        match bearer(request) {
            Some(given) if equal(given.as_bytes(), token) => Ok(()),
            _ => Err(Status::unauthorized()),
        }
    }
}

/// The token that the request brings.
fn bearer<B>(request: &Request<B>) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// In a time that does not tell how much of it is right.
fn equal(given: &[u8], token: &[u8]) -> bool {
    let differing = given
        .iter()
        .zip(token)
        .fold(0, |differing, (one, other)| differing | (one ^ other));
    given.len() == token.len() && differing == 0
}

/// A page of any site can make the user's browser ask a port of the machine, by a name of its own that leads there. Such a name is
/// in the request. What only this machine or its private network could have named so is no such page.
fn not_from_the_web<B>(request: &Request<B>) -> Result<(), Status> {
    let host = match request.uri().host() {
        Some(host) => Some(host.to_owned()),
        None => request
            .headers()
            .get(HOST)
            .and_then(|value| value.to_str().ok()?.parse::<Uri>().ok())
            .and_then(|uri| uri.host().map(str::to_owned)),
    };
    match host.as_deref() {
        // HTTP/1.0 has none, and no browser speaks it.
        None => Ok(()),
        Some(host) if is_private(host) => Ok(()),
        Some(host) => Err(Status::not_allowed(format!(
            "requests to the host {host:?} are served only with a token; ask 127.0.0.1 or localhost, or have the server want a token"
        ))),
    }
}

fn is_private(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    host.parse::<std::net::IpAddr>().is_ok()
        || host == "localhost"
        || host.ends_with(".localhost")
        || host.ends_with(".internal")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(token: Option<&str>, path: &str, header: (&str, &str)) -> u16 {
        let request = Request::get(path)
            .header(header.0, header.1)
            .body(())
            .unwrap();
        match Gate::new(token).check(&request) {
            Ok(()) => 200,
            Err(status) => status.http_code(),
        }
    }

    #[test]
    fn a_token_is_asked_for_but_by_health() {
        let token = Some("s3cret");
        for (path, given, expected) in [
            ("/api/v1/pods", "Bearer s3cret", 200),
            ("/api/v1/pods", "bearer  s3cret", 200),
            ("/api/v1/pods", "Bearer s3cre", 401),
            ("/api/v1/pods", "Bearer s3crets", 401),
            ("/api/v1/pods", "Bearer ", 401),
            ("/api/v1/pods", "Basic s3cret", 401),
            ("/version", "", 401),
            ("/livez", "", 200),
            ("/livez/ping", "", 401),
        ] {
            assert_eq!(
                code(token, path, ("authorization", given)),
                expected,
                "{path} {given:?}"
            );
        }
    }

    #[test]
    fn without_one_a_web_page_has_no_way_in() {
        for (host, expected) in [
            ("127.0.0.1:6443", 200),
            ("[::1]:6443", 200),
            ("LOCALHOST", 200),
            ("api.localhost:1", 200),
            ("host.docker.internal:6443", 200),
            ("example.com:6443", 403),
            ("localhost.example.com", 403),
            ("127.0.0.1.example.com", 403),
        ] {
            assert_eq!(code(None, "/version", ("host", host)), expected, "{host}");
            assert_eq!(
                code(None, &format!("http://{host}/version"), ("x", "y")),
                expected,
                "{host}"
            );
        }
        assert_eq!(code(None, "/version", ("x", "y")), 200);
    }
}
