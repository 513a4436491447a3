//! The attributes of nodes that are ours: the table of them, where each may stand, how it is read, and what it tells
//! the builder.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Error, LitStr, Meta, Path, Token};

use super::ast::Step;
use crate::action::{duration_tokens, retry_tokens};
use crate::arguments::{
    Retry, RetryOf, Word, number, positive_duration, retry_settings, text, words,
};
use crate::errors::Errors;

words! {
    /// The attributes of ours. To add one, add a line here, and a variant of [`Said`] for what it says; the compiler
    /// then lists the functions of this file that must know it.
    #[derive(PartialOrd, Ord)]
    pub(crate) enum NodeAttribute {
        After = "after",
        Pivot = "pivot",
        Label = "label",
        Retry = "retry",
        UndoRetry = "undo_retry",
        Timeout = "timeout",
        UndoTimeout = "undo_timeout",
        Concurrency = "concurrency",
    }
}

/// What an attribute says.
pub(crate) enum Said {
    After(Vec<Ident>),
    Pivot,
    Label(LitStr),
    Retry(Retry),
    UndoRetry(Retry),
    Timeout(Duration),
    UndoTimeout(Duration),
    Concurrency(u32),
}

/// The nodes that an attribute may stand on.
#[derive(Clone, Copy)]
enum BelongsOn {
    AnyNode,
    Action,
    ForLoop,
}

/// Where an attribute may stand.
struct Rule {
    on: BelongsOn,
    /// True if a node with bodies has it on the nodes inside instead.
    inside: bool,
    repeatable: bool,
}

impl Rule {
    fn on(on: BelongsOn) -> Self {
        Self { on, inside: false, repeatable: false }
    }

    fn or_inside(self) -> Self {
        Self { inside: true, ..self }
    }

    fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }
}

impl NodeAttribute {
    fn rule(self) -> Rule {
        match self {
            Self::After => Rule::on(BelongsOn::AnyNode).repeatable(),
            Self::Pivot => Rule::on(BelongsOn::Action),
            Self::Label => Rule::on(BelongsOn::AnyNode),
            Self::Retry | Self::UndoRetry | Self::Timeout | Self::UndoTimeout => {
                Rule::on(BelongsOn::Action).or_inside()
            }
            Self::Concurrency => Rule::on(BelongsOn::ForLoop),
        }
    }

    /// True if a node may have it more than once.
    pub(crate) fn is_repeatable(self) -> bool {
        self.rule().repeatable
    }

    fn read(self, attr: &Attribute, errors: &mut Errors) -> syn::Result<Said> {
        Ok(match self {
            Self::After => {
                let names = attr.parse_args_with(Punctuated::<Ident, Token![,]>::parse_terminated);
                let message = "expected the names of nodes: `#[after(a, b)]`";
                let names = names.map_err(|_| Error::new_spanned(attr, message))?;
                Said::After(names.into_iter().collect())
            }
            Self::Pivot => match attr.meta {
                Meta::Path(_) => Said::Pivot,
                Meta::List(_) | Meta::NameValue(_) => {
                    return Err(Error::new_spanned(attr, "`#[pivot]` takes no arguments"));
                }
            },
            Self::Label => {
                let label = |input: ParseStream| text("label", "label", input);
                Said::Label(value(attr, "label = \"..\"", label)?)
            }
            Self::Retry => Said::Retry(retry(attr, RetryOf::Node, errors)?),
            Self::UndoRetry => Said::UndoRetry(retry(attr, RetryOf::Undo, errors)?),
            Self::Timeout => Said::Timeout(value(attr, "timeout = \"30s\"", positive_duration)?),
            Self::UndoTimeout => {
                Said::UndoTimeout(value(attr, "undo_timeout = \"30s\"", positive_duration)?)
            }
            Self::Concurrency => match value(attr, "concurrency = 4", number)? {
                0 => {
                    let message = "at least one instance must be able to run";
                    return Err(Error::new_spanned(attr, message));
                }
                instances => Said::Concurrency(instances),
            },
        })
    }
}

impl Said {
    /// The method of `Node` that takes it over.
    fn call(&self, krate: &Path) -> TokenStream {
        match self {
            // It is an argument of the call that declares the node.
            Self::After(_) => TokenStream::new(),
            Self::Pivot => quote!(.pivot()),
            Self::Label(label) => quote!(.label(#label)),
            Self::Retry(retry) => {
                let retry = retry_tokens(krate, retry, 1);
                quote!(.retry(#retry))
            }
            Self::UndoRetry(retry) => {
                let retry = retry_tokens(krate, retry, 10);
                quote!(.undo_retry(#retry))
            }
            Self::Timeout(timeout) => {
                let timeout = duration_tokens(*timeout);
                quote!(.timeout(#timeout))
            }
            Self::UndoTimeout(timeout) => {
                let timeout = duration_tokens(*timeout);
                quote!(.undo_timeout(#timeout))
            }
            Self::Concurrency(instances) => quote!(.concurrency(#instances)),
        }
    }
}

/// One of our attributes, where it stands, and what it says.
struct NodeOption {
    attribute: NodeAttribute,
    at: Span,
    said: Said,
}

/// What our attributes say of a node.
#[derive(Default)]
pub(crate) struct NodeOptions(Vec<NodeOption>);

impl NodeOptions {
    /// Reads an attribute, and adds what it says.
    pub(crate) fn add(&mut self, attribute: NodeAttribute, attr: &Attribute, errors: &mut Errors) {
        let (at, said) = (attr.path().span(), attribute.read(attr, errors));
        if let Some(said) = errors.ok(said) {
            self.0.push(NodeOption { attribute, at, said });
        }
    }

    /// Where the node is said to be the pivot.
    pub(crate) fn pivot(&self) -> Option<Span> {
        self.0.iter().find(|option| matches!(option.said, Said::Pivot)).map(|option| option.at)
    }

    /// True if its action is tried until it succeeds.
    pub(crate) fn is_forever(&self) -> bool {
        self.0.iter().any(|option| matches!(&option.said, Said::Retry(retry) if retry.forever))
    }

    /// The nodes that it waits for without reading them.
    pub(crate) fn after(&self) -> impl Iterator<Item = &Ident> {
        let names = self.0.iter().map(|option| match &option.said {
            Said::After(names) => names.as_slice(),
            Said::Pivot
            | Said::Label(_)
            | Said::Retry(_)
            | Said::UndoRetry(_)
            | Said::Timeout(_)
            | Said::UndoTimeout(_)
            | Said::Concurrency(_) => &[],
        });
        names.flatten()
    }

    /// The calls that take the options over, in the order of the table.
    pub(crate) fn calls(&self, krate: &Path) -> TokenStream {
        let mut options = self.0.iter().collect::<Vec<_>>();
        options.sort_by_key(|option| option.attribute);
        options.into_iter().map(|option| option.said.call(krate)).collect()
    }

    /// Reports what has no meaning for this kind of node.
    pub(crate) fn check(&self, step: &Step, errors: &mut Errors) {
        let (is_action, is_loop, has_bodies) = match step {
            Step::Call(_) => (true, false, false),
            Step::For(_) => (false, true, true),
            Step::Choice(_) => (false, false, true),
            Step::Value(_) => (false, false, false),
            // What it would have been is unknown.
            Step::Broken(_) => return,
        };
        for NodeOption { attribute, at, .. } in &self.0 {
            let rule = attribute.rule();
            let (fits, what) = match rule.on {
                BelongsOn::AnyNode => continue,
                BelongsOn::Action => (is_action, "an action"),
                BelongsOn::ForLoop => (is_loop, "a `for`"),
            };
            if fits {
                continue;
            }
            let hint = match rule.inside && has_bodies {
                true => "; put it on the nodes inside",
                false => "",
            };
            let word = attribute.word();
            errors.push(Error::new(*at, format!("`#[{word}]` belongs on {what}{hint}")));
        }
    }
}

/// `#[retry(..)]` of a node or of a saga's head, or `#[undo_retry(..)]` of a node.
pub(crate) fn retry(attr: &Attribute, of: RetryOf, errors: &mut Errors) -> syn::Result<Retry> {
    let word = attr.path().to_token_stream().to_string();
    if !matches!(attr.meta, Meta::List(_)) {
        let message = format!(
            "say how often to retry: `#[{word}(max = 5, base = \"100ms\")]` or `#[{word}(forever)]`"
        );
        return Err(Error::new_spanned(attr.path(), message));
    }
    let keyword = Ident::new(&word, attr.path().span());
    attr.parse_args_with(|input: ParseStream| retry_settings(&keyword, of, input, errors))
}

/// What stands after the `=` of `#[name = value]`.
pub(crate) fn value<T>(
    attr: &Attribute,
    form: &str,
    parse: impl FnOnce(ParseStream) -> syn::Result<T>,
) -> syn::Result<T> {
    let Meta::NameValue(meta) = &attr.meta else {
        return Err(Error::new_spanned(attr, format!("write this as `#[{form}]`")));
    };
    parse.parse2(meta.value.to_token_stream())
}
