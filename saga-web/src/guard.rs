//! What every request passes: it must be made to a host that is ours, a form must come from a page of ours, and what is
//! answered tells the browser how little the page needs.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, OriginalUri, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::{Shared, Visit};
use crate::options::Options;

/// Nothing but our own files and pages; no frames, no other target of forms.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

pub(crate) async fn guard(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let mut response = match refusal(&app.options, &request) {
        Some((status, why)) => (status, why).into_response(),
        None => {
            let cookie = cookie_name(&request);
            let session = app.sessions.of(request.headers(), &cookie);
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
            let peer = peer.map(|ConnectInfo(address)| address.ip());
            let (base, changes) = (base(&request), app.options.token.is_some());
            let visit = Visit { base, session, cookie, peer, changes };
            request.extensions_mut().insert(visit);
            next.run(request).await
        }
    };
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // with `no-referrer`, forms of our own pages would come without their origin
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Why a request is not answered at all.
fn refusal(options: &Options, request: &Request) -> Option<(StatusCode, String)> {
    let headers = request.headers();
    let Some(host) = host(headers, request.uri()) else {
        return Some((StatusCode::BAD_REQUEST, "the request names no host\n".to_string()));
    };
    if !is_ours(options, &host) {
        let shown = host.escape_debug().take(100).collect::<String>();
        let why = format!(
            "this page does not answer to the host \"{shown}\"; if it should, give its name to \
             saga_web::Options::host\n"
        );
        return Some((StatusCode::MISDIRECTED_REQUEST, why));
    }
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS];
    if !reads.contains(request.method()) && !is_from_our_page(options, headers, &host) {
        let why = "a form of another site cannot be sent to this page\n".to_string();
        return Some((StatusCode::FORBIDDEN, why));
    }
    None
}

/// The host that the request is made to, with its port.
fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let mut named = headers.get_all(HOST).iter();
    let host = match (named.next(), named.next()) {
        (Some(host), None) => host.to_str().ok()?,
        // HTTP/2 has it in the address
        (None, _) => uri.authority()?.as_str(),
        (Some(_), Some(_)) => return None,
    };
    Some(host.to_ascii_lowercase())
}

/// The name of the cookie of a session: that of this host and port.
fn cookie_name(request: &Request) -> String {
    let host = host(request.headers(), request.uri()).unwrap_or_default();
    let port = host.rsplit_once(':').map(|(_, port)| port);
    let port = port.filter(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    port.map_or("saga_session".to_string(), |port| format!("saga_session_{port}"))
}

/// A host without its port.
fn without_port(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

fn is_ours(options: &Options, host: &str) -> bool {
    let name = without_port(host);
    let is_loopback = name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback || name == "localhost" || options.hosts.iter().any(|ours| ours == name)
}

/// A browser says where a form comes from; what says nothing is no browser, and cannot be tricked into sending it.
fn is_from_our_page(options: &Options, headers: &HeaderMap, host: &str) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin") {
        return false;
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
    let Some((_, from)) = origin.split_once("://") else { return false };
    // a proxy in front of the service may have put another host into the request
    from == host || options.hosts.iter().any(|ours| ours == without_port(from))
}

/// The path at which the page is mounted: what the router that it is nested in has taken away.
fn base(request: &Request) -> String {
    let inner = request.uri().path();
    let outer = request.extensions().get::<OriginalUri>().map_or(inner, |uri| uri.path());
    let base = match inner {
        "/" => outer.trim_end_matches('/'),
        _ => outer.strip_suffix(inner).unwrap_or_default(),
    };
    // it goes into the path of a cookie
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, ';' | ',' | '"' | '\\');
    // an address that begins with two slashes leads to another host
    match base.chars().all(plain) && !base.starts_with("//") {
        true => base.to_string(),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_ours, without_port};
    use crate::options::Options;

    #[test]
    fn only_loopback_and_given_hosts_are_ours() {
        let options = Options::new().host("Ops.example.com");
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:1",
            "127.8.8.8",
            "[::1]:80",
            "ops.example.com:443",
        ] {
            assert!(is_ours(&options, host), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example", "10.0.0.1", "", "[::2]", "localhost."]
        {
            assert!(!is_ours(&options, host), "{host}");
        }
        assert_eq!(without_port("[::1]:80"), "::1");
    }
}
