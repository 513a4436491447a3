//! Writes the typed keys of a saga's nodes: `BookTrip::payment`.
//!
//! A key names the action of its node a second time, for the types of its output and its error. Three tricks
//! keep an error in that name from being reported twice:
//!
//! - Lifetimes of an action are left out, as only the signature of a function allows.
//! - Each key has an `impl` of its own, with a bound that need not hold: that the name is an action.
//! - The name is found by a glob import, around which stands an alias of the same name. It is what is
//!   found if there is no such action, and also if the action is declared in the body of a function.

use std::collections::BTreeMap;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Path, Type};

use crate::saga::ast::{Body, Call, Choice, Head, Node, NodeForm, Saga, Step, Tail};
use crate::saga::parse::waits::event;

/// The types of a node, and the name of the action that has them.
struct KeyTypes {
    output: TokenStream,
    error: TokenStream,
    action: Option<Path>,
}

/// The keys whose actions are in one module.
#[derive(Default)]
struct ModuleKeys {
    actions: BTreeMap<String, Ident>,
    keys: TokenStream,
}

/// Writes the keys, and a list of the nodes for rustdoc.
pub(crate) fn keys(saga: &Saga, nodes: &str) -> TokenStream {
    let head = &saga.head;
    if !head.complete {
        return TokenStream::new();
    }
    let mut keys =
        Keys { head, taken: BTreeMap::new(), plain: TokenStream::new(), groups: BTreeMap::new() };
    for node in saga.body.nodes() {
        let types = match node.form {
            NodeForm::Last => Some(keys.whole()),
            NodeForm::Let | NodeForm::Const | NodeForm::Bare | NodeForm::Numbered => {
                keys.of_node(node)
            }
        };
        if let Some(types) = types {
            keys.add(&node.name, &node.attributes.rustc, &node.attributes.docs, types);
        }
    }
    match &saga.body.tail {
        Some(Tail::Literal(call, _)) => {
            let output = Ident::new("output", Span::call_site());
            match (call.name(), keys.of_last(call)) {
                (Some(name), Some(types)) => keys.add(name, &[], &[], types),
                (Some(name), None) => {
                    keys.add_last(name, &output);
                    keys.add_last(&output, name);
                }
                (None, _) => {}
            }
        }
        Some(Tail::Value(_)) => {
            let types = keys.whole();
            keys.add(&Ident::new("output", Span::call_site()), &[], &[], types);
        }
        Some(Tail::Name(_) | Tail::Broken) | None => {}
    }
    keys.write(nodes)
}

struct Keys<'a> {
    head: &'a Head,
    /// The names of the keys, each with whether no `#[cfg]` can remove it.
    taken: BTreeMap<String, bool>,
    /// The keys whose types name no action.
    plain: TokenStream,
    /// The keys whose types name an action, by the module of that action.
    groups: BTreeMap<String, (TokenStream, ModuleKeys)>,
}

impl Keys<'_> {
    fn add(&mut self, name: &Ident, attrs: &[Attribute], docs: &[Attribute], types: KeyTypes) {
        let Head { krate, vis, name: saga, .. } = self.head;
        let always = !attrs.iter().any(|attr| attr.path().is_ident("cfg"));
        if self.taken.insert(name.to_string(), always) == Some(true) {
            return; // reported as a duplicate
        }
        let KeyTypes { output, error, action } = types;
        let conditions = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
        let text = name.unraw().to_string();
        let doc = docs.is_empty().then(|| format!("The node `{text}`."));
        let doc = doc.map(|doc| quote!(#[doc = #doc]));
        let node = action.as_ref().and_then(|path| self.node(path));
        let bound = node.map(|node| quote!(where for<'__a> #node: #krate::__private::NodeTypes));
        let key = quote! {
            #(#conditions)*
            #[allow(
                dead_code, non_upper_case_globals, private_bounds, private_interfaces,
                elided_lifetimes_in_paths, mismatched_lifetime_syntaxes
            )]
            impl __Saga #bound {
                #(#docs)* #doc
                #vis const #name: #krate::NodeKey<Self, #output, #error> =
                    #krate::NodeKey::new(#text);
            }
        };
        let Some(path) = action else {
            self.plain.extend(key);
            return;
        };
        // of a wait, what may be misspelled is its event
        let path = event(&path).cloned().unwrap_or(path);
        let module = module(&path);
        let (_, group) = self
            .groups
            .entry(module.to_string())
            .or_insert_with(|| (module, ModuleKeys::default()));
        group.keys.extend(key);
        if let Some(last) = path.segments.last().filter(|last| last.ident != *saga) {
            group.actions.insert(last.ident.to_string(), elsewhere(&last.ident));
        }
    }

    /// Adds the key of a last line that is a struct: only rustc knows whether it is a saga, and so what the
    /// node is called.
    fn add_last(&mut self, name: &Ident, or: &Ident) {
        if self.taken.contains_key(&name.to_string()) {
            return;
        }
        let Head { krate, vis, .. } = self.head;
        let KeyTypes { output, error, .. } = self.whole();
        let (text, or) = (name.unraw().to_string(), or.unraw().to_string());
        self.plain.extend(quote! {
            #[allow(dead_code, non_upper_case_globals, private_interfaces)]
            impl __Saga {
                #[doc = "The last line."]
                #vis const #name: #krate::NodeKey<Self, #output, #error> =
                    #krate::NodeKey::either(#text, #or);
            }
        });
    }

    fn write(self, nodes: &str) -> TokenStream {
        let (krate, saga, plain) = (&self.head.krate, &self.head.name, &self.plain);
        let nodes = format!("Its nodes, each with those that it waits for:\n\n{nodes}");
        let groups = self.groups.into_values().map(|(module, ModuleKeys { actions, keys })| {
            let actions = actions.into_values();
            quote! {
                const _: () = {
                    #(
                        #[allow(non_camel_case_types, dead_code)]
                        type #actions = #krate::__private::ActionInsideOfAFunction;
                    )*
                    const _: () = {
                        #[allow(unused_imports)]
                        use #module::*;
                        #keys
                    };
                };
            }
        });
        quote! {
            const _: () = {
                // Where an action is imported from, there may be another saga of this name.
                type __Saga = #saga;
                #[doc = #nodes]
                impl __Saga {}
                #plain
                #(#groups)*
            };
        }
    }

    /// The types of the saga's last line.
    fn whole(&self) -> KeyTypes {
        let krate = &self.head.krate;
        KeyTypes {
            output: quote!(<Self as #krate::Saga>::Output),
            error: quote!(#krate::ActionError),
            action: None,
        }
    }

    /// None if a type cannot be named.
    fn of_node(&self, node: &Node) -> Option<KeyTypes> {
        let types = self.of_step(&node.step);
        // `Vec<_>` is not allowed in a signature.
        let ty = node.ty.as_ref().filter(|ty| !has_holes(ty));
        match (ty, types) {
            (None, types) => types,
            (Some(ty), Some(types)) => Some(KeyTypes { output: ty.to_token_stream(), ..types }),
            (Some(ty), None) => Some(KeyTypes { output: ty.to_token_stream(), ..self.whole() }),
        }
    }

    fn of_step(&self, step: &Step) -> Option<KeyTypes> {
        match step {
            Step::Call(call) => Some(self.of_call(call)),
            Step::For(for_loop) => {
                let types = self.of_body(&for_loop.body)?;
                let of = &types.output;
                Some(KeyTypes { output: quote!(::std::vec::Vec<#of>), ..types })
            }
            Step::Choice(choice) => self.of_choice(choice),
            Step::Value(_) | Step::Broken(_) => None,
        }
    }

    fn of_choice(&self, choice: &Choice) -> Option<KeyTypes> {
        let krate = &self.head.krate;
        let types = choice.arms.iter().find_map(|arm| self.of_body(&arm.body))?;
        let of = &types.output;
        let output = match (choice.is_total(), choice.is_try()) {
            (true, _) => quote!(#of),
            (false, true) => quote!(::core::result::Result<#of, #krate::TryFailure>),
            (false, false) => quote!(::core::option::Option<#of>),
        };
        Some(KeyTypes { output, error: quote!(#krate::ActionError), ..types })
    }

    /// The types of what an instance or an arm returns.
    fn of_body(&self, body: &Body) -> Option<KeyTypes> {
        let types = match &body.tail {
            Some(Tail::Literal(call, _)) => self.of_last(call)?,
            Some(Tail::Name(name)) => {
                self.of_node(body.nodes().into_iter().find(|node| node.name == *name)?)?
            }
            Some(Tail::Value(_) | Tail::Broken) => return None,
            None => KeyTypes { output: quote!(()), ..self.whole() },
        };
        // A body of one step is the instance.
        let is_one_step = body.stmts.is_empty() && body.tail.as_ref().is_some_and(Tail::is_call);
        let error = if is_one_step { types.error } else { self.whole().error };
        Some(KeyTypes { error, ..types })
    }

    /// A literal on a last line. It may be a plain struct, about which nothing is known, since it may be
    /// generic.
    fn of_last(&self, call: &Call) -> Option<KeyTypes> {
        let name = call.name()?.unraw().to_string();
        name.starts_with(|c: char| !c.is_uppercase()).then(|| self.of_call(call))
    }

    fn of_call(&self, call: &Call) -> KeyTypes {
        let krate = &self.head.krate;
        let node = self.node(&call.path);
        KeyTypes {
            output: quote!(<#node as #krate::__private::NodeTypes>::Output),
            error: quote!(<#node as #krate::__private::NodeTypes>::Error),
            action: Some(call.path.clone()),
        }
    }

    /// The type of a function that returns the action.
    fn node(&self, action: &Path) -> Option<TokenStream> {
        let name = elsewhere(&action.segments.last()?.ident);
        if let Some(event) = event(action) {
            let (krate, event) = (&self.head.krate, elsewhere(&event.segments.last()?.ident));
            return Some(quote!(fn(&'static ()) -> #krate::builtin::#name<#event>));
        }
        Some(quote!(fn(&'static ()) -> #name))
    }
}

/// The same name, but not at a place of the user's, so that an editor does not go there.
fn elsewhere(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(Span::call_site());
    name
}

/// True if there is a `_` in the type.
pub(crate) fn has_holes(ty: &Type) -> bool {
    let mut tokens = ty.to_token_stream().into_iter().collect::<Vec<_>>();
    while let Some(token) = tokens.pop() {
        match token {
            TokenTree::Ident(name) if name == "_" => return true,
            TokenTree::Group(group) => tokens.extend(group.stream()),
            _ => {}
        }
    }
    false
}

/// The module of an action.
fn module(action: &Path) -> TokenStream {
    let leading = &action.leading_colon;
    let segments = action.segments.iter().map(|segment| &segment.ident);
    let around = segments.clone().take(segments.len().saturating_sub(1)).collect::<Vec<_>>();
    match (around.is_empty(), leading) {
        (true, None) => quote!(self),
        _ => quote!(#leading #(#around)::*),
    }
}
