//! What goes into sagas and comes out of them: values, errors, and input that is refused.

mod bad_input;
mod large_numbers;
mod older_code;
mod panics;
mod read_back;
mod stored_values;
