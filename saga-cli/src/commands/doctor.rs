//! `doctor`: whether the store works, and whether somebody runs the sagas in it.

use std::path::Path;
use std::time::Duration;

use saga_core::operator::{Checkup, CheckupOptions, DiskSpace};

use crate::args::{DoctorArgs, Global};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::store::{Access, StoreUrl};
use crate::text;

pub(super) async fn doctor(
    global: &Global,
    output: &Output,
    args: DoctorArgs,
) -> Result<Exit, Failure> {
    let disk = match global.url()? {
        StoreUrl::Sqlite(path) | StoreUrl::File(path) => free(&path),
        StoreUrl::Postgres(_) => {
            DiskSpace::Unknown("the disk of the database server is not visible from here".into())
        }
    };
    let options = CheckupOptions { idle: args.idle, disk, min_free: args.min_free };
    let checkup = match global.open(Access::Attach).await {
        Err(failure) if failure.exit == Exit::Usage => return Err(failure),
        Err(failure) => Checkup::unopened(failure.message, &options),
        Ok(opened) => {
            let operator = opened.operator("saga", Duration::ZERO);
            match operator.check_up(options.clone()).await {
                Ok(checkup) => checkup,
                Err(error) => Checkup::unopened(error.to_string(), &options),
            }
        }
    };
    output.show(&checkup, text::doctor::checkup)?;
    Ok(if checkup.healthy { Exit::Done } else { Exit::Findings })
}

/// How much room there is on the disk of a path.
#[cfg(unix)]
fn free(path: &Path) -> DiskSpace {
    match rustix::fs::statvfs(path) {
        Ok(stat) => DiskSpace::Free(stat.f_bavail.saturating_mul(stat.f_frsize) >> 20),
        Err(error) => DiskSpace::Unknown(format!("{}: {error}", path.display())),
    }
}

#[cfg(not(unix))]
fn free(_: &Path) -> DiskSpace {
    DiskSpace::Unknown("how much room there is on the disk cannot be told on this system".into())
}
