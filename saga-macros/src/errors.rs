//! Errors are collected and written together, beside code that takes the place of what is wrong, so that one
//! mistake is one error.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{Error, Path, PathArguments, Type, TypePath, parse_quote_spanned};

/// What is wrong with the input of one macro call.
#[derive(Default)]
pub(crate) struct Errors {
    errors: Vec<Error>,
    /// Paths of actions that are being typed.
    unfinished: Vec<Path>,
    /// True if something that declares names could not be read, so that nothing is known about the names that
    /// follow.
    pub(crate) lost_names: bool,
}

impl Errors {
    /// Adds an error whose caret covers these tokens.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(Error::new_spanned(tokens, message));
    }

    /// Adds an error.
    pub(crate) fn push(&mut self, error: Error) {
        self.errors.push(error);
    }

    /// Notes a path that is being typed and cannot be expanded yet.
    pub(crate) fn unfinished(&mut self, path: &Path) {
        self.unfinished.push(path.clone());
    }

    pub(crate) fn count(&self) -> usize {
        self.errors.len()
    }

    /// The first error after the first `count` of them.
    pub(crate) fn since(&self, count: usize) -> Option<Error> {
        self.errors.get(count).cloned()
    }

    /// The value, or None if it is an error, which is added.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Writes the errors, in the order of the text.
    ///
    /// They are in a block of a constant, because after a `compile_error!` at item level, rustc reports no
    /// unresolved name of the module.
    pub(crate) fn emit(mut self) -> TokenStream {
        self.errors.sort_by_key(|error| position(error.span()));
        compile_errors(&self.errors)
    }

    /// Writes the errors in front of this place.
    ///
    /// To complete what is being typed, an editor compares the expansions with and without a possible
    /// completion, at the same offset. An error that only one of them has must not move what is in front of
    /// it.
    pub(crate) fn emit_before(&mut self, place: Span) -> TokenStream {
        let before = |error: &mut Error| position(error.span()) < position(place);
        let mut errors = self.errors.extract_if(.., before).collect::<Vec<_>>();
        errors.sort_by_key(|error| position(error.span()));
        compile_errors(&errors)
    }

    /// Writes the paths that are being typed.
    pub(crate) fn emit_unfinished(&self) -> TokenStream {
        self.unfinished.iter().map(|path| unfinished(quote!(let _ = #path {};))).collect()
    }
}

/// A statement that is being typed, which only an editor sees and completes: rustc would report it once more.
pub(crate) fn unfinished(statement: TokenStream) -> TokenStream {
    quote! {
        #[allow(unexpected_cfgs)]
        {
            #[cfg(rust_analyzer)]
            #statement
        }
    }
}

fn compile_errors(errors: &[Error]) -> TokenStream {
    if errors.is_empty() {
        return TokenStream::new();
    }
    let errors = errors.iter().map(Error::to_compile_error);
    quote!(const _: () = { #(#errors)* };)
}

/// Line and column, if the compiler tells them.
pub(crate) fn position(span: Span) -> Option<(usize, usize)> {
    proc_macro::is_available().then(|| {
        let span = span.unwrap();
        (span.line(), span.column())
    })
}

/// The tokens as a user would write them, with spaces only between words, around operators and after commas.
pub(crate) fn as_text(tokens: impl ToTokens) -> String {
    let spaced = tokens.to_token_stream().to_string();
    let mut text = String::new();
    let mut words = spaced.split_whitespace().peekable();
    while let Some(word) = words.next() {
        text.push_str(word);
        let Some(next) = words.peek() else { break };
        let is_word =
            |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "_'\"".contains(c));
        let both = is_word(word.chars().last()) && is_word(next.chars().next());
        let keyword = ["dyn", "impl", "mut", "as"].contains(&word);
        let operator = |word: &str| ["+", "->", "=>", "="].contains(&word);
        if both || keyword || word.ends_with([',', ';']) || operator(word) || operator(next) {
            text.push(' ');
        }
    }
    text
}

/// Adds an invisible `<>` to the names of types, so that rustc reports a name that it cannot find in the same
/// words everywhere, and therefore once. Without it, rustc suggests a type parameter in some places but not
/// in others.
pub(crate) fn said_once(ty: &mut Type) {
    // If the parameters of one of these are missing, rustc's suggestion would end up in the middle of its
    // name.
    const GENERIC: &[&str] = &[
        "ActionContext",
        "Arc",
        "BTreeMap",
        "BTreeSet",
        "Box",
        "Cow",
        "HashMap",
        "HashSet",
        "Option",
        "Rc",
        "Result",
        "Vec",
        "VecDeque",
    ];
    struct Named;
    impl VisitMut for Named {
        fn visit_type_path_mut(&mut self, path: &mut TypePath) {
            if path.path.get_ident().is_some_and(|name| !GENERIC.iter().any(|known| name == known))
                && let Some(segment) = path.path.segments.first_mut()
            {
                let at = segment.ident.span();
                segment.arguments = PathArguments::AngleBracketed(parse_quote_spanned!(at=> <>));
            }
            visit_mut::visit_type_path_mut(self, path);
        }
    }
    Named.visit_type_mut(ty);
}

/// `; did you mean ..?`, if one of the names is similar.
pub(crate) fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let near = |name: &&str| {
        let longest = wrong.chars().count().max(name.chars().count());
        let distance = strsim::osa_distance(wrong, name);
        (distance <= (longest / 3).max(1)).then_some(distance)
    };
    let nearest = names.into_iter().filter_map(|name| near(&name).map(|d| (d, name))).min();
    nearest.map(|(_, name)| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// `` `a`, `b` ``
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
