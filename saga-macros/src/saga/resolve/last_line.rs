//! What the last line of a body must be.

use proc_macro2::Ident;

use super::node_names::at_line;
use super::scopes::Scopes;
use crate::errors::{Errors, did_you_mean};
use crate::saga::ast::{Body, Call, Head, NodeForm, Saga, Tail};

/// Reports what is wrong with the last line of a body, whose scope is open.
pub(crate) fn check(saga: &Saga, body: &Body, scopes: &Scopes, errors: &mut Errors) {
    let head = &saga.head;
    if !head.complete {
        return;
    }
    match &body.tail {
        None => {
            if !scopes.is_inner() {
                missing(head, body, errors);
            }
        }
        Some(Tail::Name(name)) => {
            if scopes.node_here(&name.to_string()).is_none() {
                errors.at(name, not_a_node(head, name, scopes));
            }
        }
        Some(Tail::Literal(call, _)) => name_is_free(head, call, scopes, errors),
        Some(Tail::Value(_)) => output_is_free(scopes, errors),
        Some(Tail::Broken) => {}
    }
}

/// The saga has no last line.
fn missing(head: &Head, body: &Body, errors: &mut Errors) {
    if body.nodes().is_empty() {
        errors.at(&head.name, format!("saga `{}` has no nodes", head.name));
    } else if !head.returns_unit() {
        let message = format!(
            "saga `{}` has no last line that gives its output: end with an action without `;`, the \
             name of a node, or an expression in braces",
            head.name
        );
        errors.at(head.output.as_ref(), message);
    }
}

/// What to say of a name that is no node of the body.
fn not_a_node(head: &Head, name: &Ident, scopes: &Scopes) -> String {
    let text = name.to_string();
    if head.params.iter().any(|param| param.name == *name) {
        format!(
            "`{name}` is a parameter, not a node; put a computed output in braces: \
             `{{ {name}.clone() }}`"
        )
    } else if scopes.is_variable(name) || (scopes.is_inner() && scopes.is_visible(&text)) {
        format!(
            "`{name}` is not a node of this body; put a computed output in braces: \
             `{{ {name}.clone() }}`"
        )
    } else if text.starts_with(char::is_uppercase) {
        format!("`{name}` is not a node; put a computed output in braces: `{{ {name} }}`")
    } else {
        let names = scopes.names_here();
        let nearest = did_you_mean(&text, names.iter().map(String::as_str));
        format!(
            "saga `{}` has no node named `{text}`{nearest} (if it is an action, its inputs are \
             missing: `{text} {{ .. }}`)",
            head.name
        )
    }
}

/// Reports a call on the last line that is named like a node above it.
fn name_is_free(head: &Head, call: &Call, scopes: &Scopes, errors: &mut Errors) {
    let Some(name) = call.name() else { return };
    let Some(node) = scopes.node_here(&name.to_string()) else { return };
    let message = format!(
        "saga `{}` already has a node named `{name}`{}; name this one, and end with its name",
        head.name,
        at_line(&node.name),
    );
    errors.at(name, message);
}

/// Reports a node that is named like the computed last line.
fn output_is_free(scopes: &Scopes, errors: &mut Errors) {
    if let Some(node) = scopes.node_here("output")
        && node.form != NodeForm::Last
    {
        let message = "the last line is the node `output`; give this one another name";
        errors.at(&node.name, message);
    }
}
