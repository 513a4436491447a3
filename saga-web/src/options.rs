//! What a program says about its page.

use std::fmt;
use std::future::{Future, pending};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

/// What the page may do, and where.
///
/// ```
/// let token = std::env::var("SAGA_WEB_TOKEN").unwrap_or_else(|_| "made up for this example".into());
/// let options = saga_web::Options::new().allow_changes(token).host("orders.example.com");
/// assert!(!format!("{options:?}").contains("made up"));
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) token: Option<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) outputs: bool,
    pub(crate) secure: bool,
    pub(crate) end: Shared<BoxFuture<'static, ()>>,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// A page that shows everything but outputs, changes nothing, and answers to names of this computer only.
    pub fn new() -> Self {
        Self {
            token: None,
            hosts: Vec::new(),
            outputs: false,
            secure: false,
            end: pending().boxed().shared(),
        }
    }

    /// Lets those who know this token act: they sign in with it and with their name, which is recorded with what they ask.
    /// Everybody who knows the token can give any name. Take a long random token; an empty one lets nobody in.
    ///
    /// Each attempt to sign in takes 0.3 s, so that few tokens can be tried in a row. If the service tells where requests come from
    /// (axum's `into_make_service_with_connect_info::<SocketAddr>()`), an address from which ten wrong tokens came waits until a minute
    /// has passed; leave that out behind a proxy, where all come from one address.
    #[must_use]
    pub fn allow_changes(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into()).filter(|token| !token.is_empty());
        self
    }

    /// Also answers requests that are made to this host, such as `orders.example.com`, without a port. Without it, only
    /// `localhost` and loopback addresses are answered, so that no other site can read the page by a name of its own that it
    /// lets point to this computer.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into().to_ascii_lowercase());
        self
    }

    /// Shows the parameters of sagas and the outputs of their nodes, up to 2 KiB of each. They may be anybody's data.
    #[must_use]
    pub fn show_outputs(mut self) -> Self {
        self.outputs = true;
        self
    }

    /// The browser sends the cookie of a session only over HTTPS. For a page that is reached by HTTPS alone. That is so anyway for
    /// those who sign in over HTTPS, as far as their browsers say so.
    #[must_use]
    pub fn secure_cookies(mut self) -> Self {
        self.secure = true;
        self
    }

    /// Ends the streams of live updates once this is ready, so that they do not hold up the graceful shutdown of a server.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (stop, mut stopped) = tokio::sync::watch::channel(false);
    /// let options = saga_web::Options::new().until(async move {
    ///     let _ = stopped.wait_for(|stop| *stop).await;
    /// });
    /// # let _ = (stop, options);
    /// # }
    /// ```
    #[must_use]
    pub fn until(mut self, end: impl Future<Output = ()> + Send + 'static) -> Self {
        self.end = end.boxed().shared();
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("changes", &self.token.is_some())
            .field("hosts", &self.hosts)
            .field("outputs", &self.outputs)
            .field("secure_cookies", &self.secure)
            .finish_non_exhaustive()
    }
}
