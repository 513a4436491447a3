//! `#[cfg]` and `#[cfg_attr]` where they decide on more than one item: on the parameters of an action or a
//! saga, and on attributes of ours. A macro does not know which conditions hold, so it writes everything once
//! for each combination of them, and rustc drops all but one.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Meta, Token, parse_quote};

/// The condition under which something with this attribute exists.
pub(crate) fn condition(attr: &Attribute) -> Option<TokenStream> {
    let Meta::List(list) = &attr.meta else { return None };
    if list.path.is_ident("cfg") {
        return Some(list.tokens.clone());
    }
    let (condition, attrs) = cfg_attr(attr)?;
    let inner = attrs.iter().find_map(condition_of)?;
    Some(quote!(any(not(#condition), #inner)))
}

fn condition_of(meta: &Meta) -> Option<TokenStream> {
    condition(&parse_quote!(#[#meta]))
}

/// `#[cfg_attr(condition, attrs..)]`
fn cfg_attr(attr: &Attribute) -> Option<(TokenStream, Vec<Meta>)> {
    if !attr.path().is_ident("cfg_attr") {
        return None;
    }
    let parse = Punctuated::<Meta, Token![,]>::parse_terminated;
    let mut metas = attr.parse_args_with(parse).ok()?.into_iter();
    Some((metas.next()?.into_token_stream(), metas.collect()))
}

/// Conditions without repetition.
#[derive(Default)]
pub(crate) struct Conditions(Vec<TokenStream>);

/// How many conditions there may be; more would be too much code.
const MOST: usize = 5;

impl Conditions {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, condition: TokenStream) {
        let text = condition.to_string();
        if !self.0.iter().any(|known| known.to_string() == text) {
            self.0.push(condition);
        }
    }

    /// Adds those of the attributes.
    pub(crate) fn add_all<'a>(&mut self, attrs: impl IntoIterator<Item = &'a Attribute>) {
        attrs.into_iter().filter_map(condition).for_each(|condition| self.add(condition));
    }

    /// Adds that of each `#[cfg_attr]`.
    pub(crate) fn add_attributes(&mut self, tokens: TokenStream) {
        Combination::default().attributes(tokens, &mut |condition| self.add(condition.clone()));
    }

    /// All combinations of the conditions.
    pub(crate) fn combinations(self) -> Result<Vec<Combination>, Error> {
        if let Some(beyond) = self.0.get(MOST) {
            let message = format!("an item can depend on at most {MOST} different conditions");
            return Err(Error::new_spanned(beyond, message));
        }
        let numbers = 0..1usize << self.0.len();
        let holds = |number: usize| {
            let conditions = self.0.iter().enumerate();
            conditions.map(move |(i, condition)| (condition.clone(), number >> i & 1 == 0))
        };
        Ok(numbers.map(|number| Combination(holds(number).collect())).collect())
    }
}

/// One combination: which of the conditions hold. Conditions that are not in it hold.
#[derive(Default)]
pub(crate) struct Combination(Vec<(TokenStream, bool)>);

impl Combination {
    /// The attribute for everything that is written for this combination.
    pub(crate) fn gate(&self) -> Attribute {
        let conditions = self.0.iter().map(|(condition, holds)| match holds {
            true => condition.clone(),
            false => quote!(not(#condition)),
        });
        parse_quote!(#[cfg(all(#(#conditions),*))])
    }

    /// True if something with these attributes exists.
    pub(crate) fn keeps(&self, attrs: &[Attribute]) -> bool {
        attrs.iter().filter_map(condition).all(|condition| self.holds(&condition))
    }

    /// Replaces each `#[cfg_attr]` by the attributes that it stands for.
    pub(crate) fn apply(&self, tokens: TokenStream) -> TokenStream {
        self.attributes(tokens, &mut |_| {})
    }

    fn holds(&self, condition: &TokenStream) -> bool {
        let text = condition.to_string();
        let known = self.0.iter().find(|(known, _)| known.to_string() == text);
        known.is_none_or(|(_, holds)| *holds)
    }

    fn attributes(&self, tokens: TokenStream, see: &mut impl FnMut(&TokenStream)) -> TokenStream {
        let mut output = TokenStream::new();
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            let hash = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#');
            if hash
                && let Some(TokenTree::Group(group)) = tokens.peek()
                && group.delimiter() == Delimiter::Bracket
                && let Some((condition, attrs)) = cfg_attr(&parse_attribute(group))
            {
                tokens.next();
                see(&condition);
                if self.holds(&condition) {
                    let attrs = quote!(#(#[#attrs])*);
                    output.extend(self.attributes(attrs, see));
                }
                continue;
            }
            output.extend([match token {
                TokenTree::Group(group) => {
                    let inner = self.attributes(group.stream(), see);
                    let mut inner = Group::new(group.delimiter(), inner);
                    inner.set_span(group.span());
                    TokenTree::Group(inner)
                }
                token => token,
            }]);
        }
        output
    }
}

/// The content of the brackets as an attribute; some other attribute, if it is not one.
fn parse_attribute(group: &Group) -> Attribute {
    let meta = syn::parse2::<Meta>(group.stream());
    let meta = meta.unwrap_or_else(|_| parse_quote!(none));
    parse_quote!(#[#meta])
}
