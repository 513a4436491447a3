//! Tables of words: which names an attribute or an argument may have, and lists of arguments by name.

use proc_macro2::{Ident, TokenTree};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Error, Token};

use crate::errors::{Errors, did_you_mean, list};

/// One word of a table, which [`words!`] declares.
pub(crate) trait Word: Copy + PartialEq + 'static {
    /// The whole table, in the order in which messages list it.
    const ALL: &'static [Self];

    /// How the word is written.
    fn word(self) -> &'static str;

    /// The entry that is written like this.
    fn find(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.word() == text)
    }
}

/// Declares a table as an enum. Everything that depends on the word matches it exhaustively, so that the compiler
/// lists what is missing when a word is added.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $crate::arguments::Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),*];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}
pub(crate) use words;

/// What to say of an argument that only another list has.
fn stands_elsewhere(argument: &str) -> Option<&'static str> {
    match argument {
        "fresh_key" => Some(
            "`fresh_key` says how the service that an action calls treats keys: it stands in the `retry(..)` of the \
             action, as in `#[saga_action(retry(max = 3, fresh_key))]`",
        ),
        _ => None,
    }
}

/// Reads arguments that are separated by commas, each of which begins with one of these words. After a mistake, it
/// continues at the next comma. False if there was a mistake: what that argument would have said is unknown.
pub(crate) fn arguments<W: Word>(
    input: ParseStream,
    known: &[W],
    errors: &mut Errors,
    mut read: impl FnMut(W, &Ident, ParseStream, &mut Errors) -> syn::Result<()>,
) -> bool {
    let words = || known.iter().map(|word| word.word());
    let mut complete = true;
    while !input.is_empty() {
        let by_name = |error: Error| {
            Error::new(error.span(), format!("arguments are given by name: {}", list(words())))
        };
        let parsed = input.call(Ident::parse_any).map_err(by_name).and_then(|name| {
            let text = name.to_string();
            let Some(word) = known.iter().copied().find(|word| word.word() == text) else {
                if let Some(message) = stands_elsewhere(&text) {
                    return Err(Error::new_spanned(name, message));
                }
                let (nearest, known) = (did_you_mean(&text, words()), list(words()));
                let message = format!("unknown argument `{text}`{nearest} (arguments: {known})");
                return Err(Error::new_spanned(name, message));
            };
            read(word, &name, input, errors)?;
            if !input.is_empty() && !input.peek(Token![,]) {
                return Err(input.error(format!("expected `,` after the argument `{text}`")));
            }
            Ok(())
        });
        complete &= errors.ok(parsed).is_some();
        while !input.is_empty() && !input.peek(Token![,]) {
            if input.parse::<TokenTree>().is_err() {
                return false;
            }
        }
        let _ = input.parse::<Option<Token![,]>>();
    }
    complete
}
