//! What goes into sagas and comes out of them: values, errors, and input that is refused.

mod bad_input;
mod large_numbers;
mod panics;
mod read_back;
mod stored_values;
