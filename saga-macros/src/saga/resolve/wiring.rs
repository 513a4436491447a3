//! What a node reads, and how the expansion reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{Error, Type};

use super::binders::{BinderScope, NeededBinders};
use super::scopes::{Meaning, Scopes};
use crate::errors::Errors;
use crate::names::Names;
use crate::saga::ast::{Call, Step};
use crate::saga::expressions::is_constant;

#[derive(Default)]
pub(crate) struct Wiring<'a> {
    /// The inputs, each with the names that feed it.
    pub(crate) inputs: Vec<(String, Vec<Ident>)>,
    pub(crate) after: Vec<Ident>,
    /// Names that are read in front of the step, because they cannot be replaced inside it.
    pub(crate) ahead: Vec<Ident>,
    /// Names that are replaced where they stand.
    pub(crate) inside: BTreeSet<String>,
    /// Constants of the saga that patterns compare with.
    pub(crate) compared: BTreeSet<String>,
    /// Constants that a macro names, where they may be patterns, with their types.
    pub(crate) constants: BTreeMap<String, &'a Type>,
    /// The binders of the variables that it reads, outermost first.
    pub(crate) binders: Vec<Rc<BinderScope<'a>>>,
    /// Names that must not be read here, each with the error that takes its place.
    pub(crate) wrong: Vec<(Ident, Error)>,
    /// Why the node cannot be expanded at all.
    pub(crate) broken: Option<Error>,
}

/// Looks up the names of a node.
pub(crate) struct Reader<'r, 'a> {
    pub(crate) scopes: &'r mut Scopes<'a>,
    pub(crate) errors: &'r mut Errors,
    /// The node, and those in whose bodies it is.
    pub(crate) open: &'r [Ident],
}

impl<'a> Reader<'_, 'a> {
    pub(crate) fn call(&mut self, call: &Call) -> Wiring<'a> {
        let constants = self.scopes.constants();
        let inputs = call.inputs.iter().map(|field| {
            let name = match &field.member {
                syn::Member::Named(name) => name.unraw().to_string(),
                syn::Member::Unnamed(index) => index.index.to_string(),
            };
            (Some(name), Names::among(constants.clone()).with_field(field))
        });
        let rest = call.rest.iter().map(|rest| {
            (Some("..".to_string()), Names::among(constants.clone()).with_expr(&rest.1))
        });
        self.inputs(inputs.chain(rest))
    }

    /// Looks up the names in the inputs of a node. An input without a name of its own is named after what it
    /// reads.
    pub(crate) fn inputs(
        &mut self,
        inputs: impl IntoIterator<Item = (Option<String>, Names)>,
    ) -> Wiring<'a> {
        let mut wiring = Wiring::default();
        let (mut fixed, mut used) = (BTreeSet::new(), BTreeMap::new());
        let mut needed = NeededBinders::default();
        for (input, names) in inputs {
            for exit in &names.exits {
                let message = "an input is a plain expression, evaluated again at each attempt: \
                               it cannot await or return early";
                let error = Error::new(*exit, message);
                self.errors.push(error.clone());
                wiring.broken.get_or_insert(error);
            }
            self.compared(&names, &mut wiring);
            let mut from = Vec::<(Ident, Vec<Ident>)>::new();
            for mention in names.free {
                let name = mention.name;
                match self.scopes.meaning(&name) {
                    Meaning::Value => {
                        used.entry(name.to_string()).or_insert_with(|| name.clone());
                        from.push((name.clone(), vec![name]));
                    }
                    Meaning::Variable(binder) => {
                        needed.add(&binder);
                        from.push((name, binder.sources.clone()));
                    }
                    Meaning::Below if mention.certain => {
                        let error = below(&name, self.open);
                        self.errors.push(error.clone());
                        wiring.wrong.push((name, error));
                    }
                    Meaning::Below | Meaning::Unknown => {}
                }
            }
            fixed.extend(names.fixed);
            match input {
                None => wiring
                    .inputs
                    .extend(from.into_iter().map(|(name, from)| (name.unraw().to_string(), from))),
                Some(input) => {
                    let mut all = Vec::new();
                    for source in from.into_iter().flat_map(|(_, from)| from) {
                        if !all.contains(&source) {
                            all.push(source);
                        }
                    }
                    wiring.inputs.push((input, all));
                }
            }
        }
        wiring.inputs.retain(|(_, from)| !from.is_empty());
        wiring.binders = needed.outermost_first();
        for binder in wiring.binders.clone() {
            wiring.compared.extend(binder.compared.iter().map(Ident::to_string));
            self.scanned(&binder.scanned, &mut wiring.constants);
            fixed.extend(binder.fixed.iter().cloned());
            used.extend(binder.reads.iter().map(|(text, name)| (text.clone(), name.clone())));
        }
        for (text, name) in used {
            if fixed.contains(&text) {
                wiring.ahead.push(name);
            } else {
                wiring.inside.insert(text);
            }
        }
        wiring
    }

    /// Notes the constants that patterns compare with.
    fn compared(&mut self, names: &Names, wiring: &mut Wiring<'a>) {
        for name in &names.compared {
            let text = name.to_string();
            let error = if !self.scopes.is_visible(&text) {
                below(name, self.open)
            } else if names.items.contains(&text) {
                let message = format!(
                    "`{name}` is a constant of the saga, and an item inside this expression has the same \
                     name; rename one of them"
                );
                Error::new_spanned(name, message)
            } else {
                wiring.compared.insert(text);
                continue;
            };
            self.errors.push(error.clone());
            wiring.broken.get_or_insert(error);
        }
        self.scopes.compared.extend(wiring.compared.iter().cloned());
        self.scanned(&names.scanned, &mut wiring.constants);
    }

    /// Notes the constants that may be patterns in a macro.
    fn scanned(&mut self, names: &BTreeSet<String>, constants: &mut BTreeMap<String, &'a Type>) {
        for name in names {
            let Some(node) = self.scopes.constant(name) else { continue };
            if let (Step::Value(value), Some(ty)) = (&node.step, &node.ty)
                && self.scopes.is_visible(name)
                && is_constant(value)
            {
                self.scopes.compared.insert(name.clone());
                constants.insert(name.clone(), ty);
            }
        }
    }
}

/// The error for a name that cannot be read yet.
pub(crate) fn below(name: &Ident, open: &[Ident]) -> Error {
    let message = if open.contains(name) {
        format!("node `{name}` cannot look up its own output")
    } else {
        format!("node `{name}` is declared below; nodes look up only nodes declared above them")
    };
    Error::new_spanned(name, message)
}
