//! What the program `saga` prints and does, as a process beside a worker or without one, on each kind of store.

mod batches;
mod doctor;
mod full_disk;
mod guide;
mod help;
mod place;
mod reading;
mod redact;
mod requests;
mod serve;
mod shop;
mod signals;
mod trouble;
