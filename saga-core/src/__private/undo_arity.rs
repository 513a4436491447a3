//! Checks that an undo, or a probe, has as many parameters as it is given arguments, by autoref specialization. rustc alone
//! would report the difference too, but would suggest adding the missing arguments to the attribute, where they
//! are not allowed.
//!
//! A function with exactly these parameter types has an inherent `callee`, which is found first. [`Fits`] is
//! for functions with the same number of parameters. Both return the function itself, so that rustc checks the
//! call. Everything else is caught by [`Misfits`], whose bound never holds.

use std::future::{Ready, ready};
use std::marker::PhantomData;

use crate::probe::Probe;

/// An undo `F`, and the types of its arguments.
pub struct Undo<Given, F>(F, PhantomData<fn() -> Given>);

pub fn undo<Given, F>(undo: F) -> Undo<Given, F> {
    Undo(undo, PhantomData)
}

/// A probe `F`, and the types of its arguments.
pub struct ProbeOf<Given, Output, F>(F, PhantomData<fn() -> (Given, Output)>);

pub fn probe<Given, Output, F>(probe: F) -> ProbeOf<Given, Output, F> {
    ProbeOf(probe, PhantomData)
}

/// A probe that takes these parameters.
#[diagnostic::on_unimplemented(
    message = "a probe takes what its action takes: the context, if the action takes it, and then all of the inputs",
    label = "this function would be called with `{Given}`"
)]
pub trait ProbeTakes<Given> {}

/// An undo that takes these parameters.
#[diagnostic::on_unimplemented(
    message = "an undo takes the context exactly if its action does, and then what `undo = f(..)` lists",
    label = "this function would be called with `{Given}`"
)]
pub trait Takes<Given> {}

/// `Call` makes the type parameters of the implementations appear in the trait.
pub trait Fits<Call> {
    type Function;
    fn callee(self) -> Self::Function;
    /// The same for the undo of a transaction, which is not `async`.
    fn callee_of_transaction(self) -> Self::Function;
}

pub trait ProbeFits<Call> {
    type Function;
    fn callee(self) -> Self::Function;
}

/// What a probe that does not fit would return.
type NoAnswer<O> = Ready<Result<Probe<O>, String>>;

pub trait ProbeMisfits<Call> {
    type Function;
    type Given;
    fn callee(self) -> Call
    where
        Self::Function: ProbeTakes<Self::Given>;
}

pub trait Misfits<Call> {
    type Function;
    type Given;
    type Transaction;
    fn callee(self) -> Call
    where
        Self::Function: Takes<Self::Given>;
    fn callee_of_transaction(self) -> Self::Transaction
    where
        Self::Function: Takes<Self::Given>;
}

/// Each parameter is a pair: its type in the tuple of arguments, and its type in the function.
macro_rules! arity {
    ($($given:ident $taken:ident),*) => {
        impl<F, $($given,)* R> Undo<($($given,)*), F>
        where
            F: Fn($($given),*) -> R,
        {
            pub fn callee(self) -> F {
                self.0
            }

            pub fn callee_of_transaction(self) -> F {
                self.0
            }
        }

        impl<F, $($given, $taken,)* R> Fits<fn($($taken),*) -> R> for Undo<($($given,)*), F>
        where
            F: Fn($($taken),*) -> R,
        {
            type Function = F;
            fn callee(self) -> F {
                self.0
            }

            fn callee_of_transaction(self) -> F {
                self.0
            }
        }

        impl<F, O, $($given,)* R> ProbeOf<($($given,)*), O, F>
        where
            F: Fn($($given),*) -> R,
        {
            pub fn callee(self) -> F {
                self.0
            }
        }

        impl<F, O, $($given, $taken,)* R> ProbeFits<fn($($taken),*) -> R>
            for ProbeOf<($($given,)*), O, F>
        where
            F: Fn($($taken),*) -> R,
        {
            type Function = F;
            fn callee(self) -> F {
                self.0
            }
        }

        impl<F, O, $($given, $taken),*> ProbeMisfits<fn($($taken),*) -> NoAnswer<O>>
            for &ProbeOf<($($given,)*), O, F>
        {
            type Function = F;
            type Given = ($($given,)*);
            fn callee(self) -> fn($($taken),*) -> NoAnswer<O>
            where
                F: ProbeTakes<Self::Given>,
            {
                |$(_: $taken),*| ready(Ok(Probe::Unknown))
            }
        }

        impl<F, $($given, $taken),*> Misfits<fn($($taken),*) -> Ready<Result<(), String>>>
            for &Undo<($($given,)*), F>
        {
            type Function = F;
            type Given = ($($given,)*);
            type Transaction = fn($($taken),*) -> Result<(), String>;
            fn callee(self) -> fn($($taken),*) -> Ready<Result<(), String>>
            where
                F: Takes<Self::Given>,
            {
                |$(_: $taken),*| ready(Ok(()))
            }

            fn callee_of_transaction(self) -> fn($($taken),*) -> Result<(), String>
            where
                F: Takes<Self::Given>,
            {
                |$(_: $taken),*| Ok(())
            }
        }
    };
}

arity!();
arity!(A1 B1);
arity!(A1 B1, A2 B2);
arity!(A1 B1, A2 B2, A3 B3);
arity!(A1 B1, A2 B2, A3 B3, A4 B4);
arity!(A1 B1, A2 B2, A3 B3, A4 B4, A5 B5);
arity!(A1 B1, A2 B2, A3 B3, A4 B4, A5 B5, A6 B6);
arity!(A1 B1, A2 B2, A3 B3, A4 B4, A5 B5, A6 B6, A7 B7);
arity!(A1 B1, A2 B2, A3 B3, A4 B4, A5 B5, A6 B6, A7 B7, A8 B8);
