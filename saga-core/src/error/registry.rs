//! Names of actions and sagas that are already taken, or not registered.

/// A name that is already taken, or not registered.
///
/// ```
/// use saga_core::prelude::*;
///
/// mod other {
///     use saga_core::prelude::*;
///     #[saga_action(no_undo)] // `name = "other.ask"` would tell them apart
///     pub async fn ask() -> Result<u32, String> { Ok(2) }
/// }
/// #[saga_action(no_undo)]
/// async fn ask() -> Result<u32, String> { Ok(1) }
///
/// saga! { Ask<()>() -> u32 { let one = ask {}; let two = other::ask {}; { one + two } } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let error = Coordinator::builder(()).saga::<Ask>().build().await.err();
/// let error = error.map(|error| error.to_string()).unwrap_or_default();
/// assert!(error.starts_with("two actions are named `ask`"), "{error}");
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No action has this name.
    #[error("action `{name}` is not registered{}", meant(.nearest))]
    NotFound {
        /// The name.
        name: String,
        /// The most similar name that is registered.
        nearest: Option<String>,
    },
    /// Another action or saga already has this name.
    #[error(
        "two {what}s are named `{name}`: {first} and {second}; give one of them another name, or, if they are versions of one \
         {what}, {}", match *what {
            "saga" => "register the old one with `CoordinatorBuilder::old_saga`",
            _ => "give the newer one a greater `rev`",
        }
    )]
    AlreadyRegistered {
        /// `action` or `saga`.
        what: &'static str,
        /// The name.
        name: String,
        /// Where the first one is defined.
        first: String,
        /// Where the second one is defined.
        second: String,
    },
}

impl RegistryError {
    /// No action has this name; these are known.
    pub(crate) fn not_found<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let near = |known: &str| {
            let distance = strsim::osa_distance(name, known);
            (distance <= (name.len().max(known.len()) / 3).max(1)).then_some(distance)
        };
        let near = known.into_iter().filter_map(|known| Some((near(known)?, known)));
        let nearest = near.min_by_key(|(distance, _)| *distance);
        Self::NotFound {
            name: name.to_string(),
            nearest: nearest.map(|(_, known)| known.to_string()),
        }
    }
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default()
}
