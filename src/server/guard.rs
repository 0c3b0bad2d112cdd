//! What a request must be before any route looks at it: meant for this server, not sent by
//! another web site's page, and unambiguous.
//!
//! A page of another site can make a browser send requests to loopback, and with a name that it
//! points at 127.0.0.1 (DNS rebinding) even read the answers. So the names in `Host` and `Origin`
//! are compared with our own. Programs other than browsers send no `Origin`, and our address as
//! `Host`.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, StatusCode, header};

use super::answer::ApiError;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what is not for this server; everything else goes on.
pub(crate) async fn guard(
    State(address): State<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match check(request.headers(), address) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

fn check(headers: &HeaderMap, address: SocketAddr) -> Result<(), ApiError> {
    let host = only(headers, &header::HOST)?
        .ok_or_else(|| ApiError::bad_request("the Host header is missing"))?;
    only(headers, &header::AUTHORIZATION)?;
    only(headers, &header::CONTENT_LENGTH)?;
    if let Some(encoding) = only(headers, &header::TRANSFER_ENCODING)?
        && !encoding.eq_ignore_ascii_case("chunked")
    {
        return Err(ApiError::new(
            StatusCode::NOT_IMPLEMENTED,
            "Transfer-Encoding must be chunked",
        ));
    }
    if !is_ours(host, address) {
        return Err(ApiError::new(
            StatusCode::MISDIRECTED_REQUEST,
            "the Host header names another server",
        ));
    }
    let foreign = |message: &str| Err(ApiError::new(StatusCode::FORBIDDEN, message));
    if let Some(origin) = only(headers, &header::ORIGIN)?
        && !origin
            .strip_prefix("http://")
            .is_some_and(|authority| is_ours(authority, address))
    {
        return foreign("requests of other web sites are refused (Origin)");
    }
    if only(headers, &FETCH_SITE)?.is_some_and(|site| site == "cross-site") {
        return foreign("requests of other web sites are refused (Sec-Fetch-Site)");
    }
    Ok(())
}

/// The value of a header that may be given once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let (value, more) = (values.next(), values.next());
    if more.is_some() {
        return Err(ApiError::bad_request(format!("{name} is given twice")));
    }
    value
        .map(|value| {
            value
                .to_str()
                .map(str::trim)
                .map_err(|_| ApiError::bad_request(format!("{name} is not text")))
        })
        .transpose()
}

/// Whether `host:port` is how this server is reached.
fn is_ours(authority: &str, address: SocketAddr) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (authority, Some(80)),
    };
    if port != Some(address.port()) {
        return false;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.eq_ignore_ascii_case("localhost") {
        return address.ip().is_loopback() || address.ip().is_unspecified();
    }
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse::<IpAddr>()
        .is_ok_and(|ip| ip == address.ip() || ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{check, is_ours};

    fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    fn refusal(given: &[(&'static str, &'static str)]) -> Option<u16> {
        let address: SocketAddr = "127.0.0.1:3001".parse().unwrap();
        check(&headers(given), address)
            .err()
            .map(|error| error.status.as_u16())
    }

    #[test]
    fn our_own_names_are_ours() {
        let address: SocketAddr = "127.0.0.1:3001".parse().unwrap();
        for ours in [
            "127.0.0.1:3001",
            "localhost:3001",
            "LOCALHOST.:3001",
            "[::1]:3001",
        ] {
            assert!(is_ours(ours, address), "{ours}");
        }
        for other in [
            "",
            "localhost",
            "localhost:3002",
            "evil.example:3001",
            "localhost.evil.example:3001",
            "127.0.0.1.nip.io:3001",
            "10.0.0.1:3001",
            "localhost:3001:3001",
        ] {
            assert!(!is_ours(other, address), "{other}");
        }
        assert!(is_ours("127.0.0.1", "127.0.0.1:80".parse().unwrap()));
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        const HOST: (&str, &str) = ("host", "localhost:3001");
        assert_eq!(refusal(&[HOST]), None);
        assert_eq!(
            refusal(&[
                HOST,
                ("origin", "http://127.0.0.1:3001"),
                ("sec-fetch-site", "same-origin")
            ]),
            None
        );
        for origin in [
            "null",
            "https://localhost:3001",
            "http://evil.example:3001",
            "http://localhost:3000",
        ] {
            assert_eq!(refusal(&[HOST, ("origin", origin)]), Some(403), "{origin}");
        }
        assert_eq!(
            refusal(&[HOST, ("sec-fetch-site", "cross-site")]),
            Some(403)
        );
        assert_eq!(refusal(&[("host", "evil.example:3001")]), Some(421));
    }

    #[test]
    fn ambiguous_requests_are_refused() {
        const HOST: (&str, &str) = ("host", "localhost:3001");
        assert_eq!(refusal(&[]), Some(400));
        assert_eq!(refusal(&[HOST, HOST]), Some(400));
        let key = ("authorization", "Bearer a");
        assert_eq!(refusal(&[HOST, key, key]), Some(400));
        assert_eq!(refusal(&[HOST, ("transfer-encoding", "chunked")]), None);
        assert_eq!(
            refusal(&[HOST, ("transfer-encoding", "gzip, chunked")]),
            Some(501)
        );
    }
}
