//! The sagas, and what their nodes do.

use saga_core::UndoError;
use saga_core::log::Uuid;
use saga_core::prelude::*;
use serde::{Deserialize, Serialize};

use super::cloud::{Cloud, Cx, delete, insert};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) name: String,
    pub(crate) project: Uuid,
    pub(crate) nics: Vec<Nic>,
    pub(crate) external_ips: Vec<ExternalIp>,
    pub(crate) groups: Vec<String>,
    pub(crate) disks: Vec<DiskRequest>,
    /// Which of the disks it boots from.
    pub(crate) boot: Option<usize>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Nic {
    pub(crate) subnet: String,
    pub(crate) ip: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum ExternalIp {
    Ephemeral { pool: String },
    Floating { name: String },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum DiskRequest {
    Create(NewDisk),
    Attach { disk: Uuid },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NewDisk {
    pub(crate) name: String,
    pub(crate) gib: u32,
    pub(crate) source: Source,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Source {
    ReadOnly { snapshot: Uuid },
    Crucible { block_size: u32, importing: bool },
    Local { sled: String },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Disk {
    pub(crate) id: Uuid,
    pub(crate) gib: u32,
}

/// One row of a table.
#[saga_action(undo = delete(), timeout = "10s")]
pub(crate) async fn create_row(
    cx: &ActionContext<Cloud>,
    table: &'static str,
    on: &Uuid,
    id: &str,
) -> Result<String, String> {
    insert(cx, table, on, [id]).await?;
    Ok(id.to_string())
}

#[saga_action(undo = delete_instance_record(output))]
pub(crate) async fn create_instance_record(
    cx: &ActionContext<Cloud>,
    id: &Uuid,
    project: &Uuid,
    name: &str,
) -> Result<Uuid, String> {
    if name.is_empty() {
        return Err("an instance needs a name".to_string());
    }
    insert(cx, "instance", project, [id]).await?;
    Ok(*id)
}
async fn delete_instance_record(cx: &Cx, _id: &Uuid) -> Result<(), UndoError> {
    delete(cx).await
}

#[saga_action(undo = release_address(output?))]
pub(crate) async fn allocate_address(
    cx: &ActionContext<Cloud>,
    id: &Uuid,
    of: &Uuid,
    from: &str,
) -> Result<String, String> {
    insert(cx, "address", of, [id]).await?;
    Ok(format!("{from}/{}", id.simple()))
}
async fn release_address(cx: &Cx, _address: Option<&String>) -> Result<(), UndoError> {
    delete(cx).await
}

#[saga_action(no_undo = "only reads")]
pub(crate) async fn find_disk(id: &Uuid) -> Result<Disk, String> {
    Ok(Disk { id: *id, gib: 1 })
}

#[saga_action(undo = detach(disk, output))]
pub(crate) async fn attach_disk(
    cx: &ActionContext<Cloud>,
    instance: &Uuid,
    slot: usize,
    disk: &Disk,
) -> Result<usize, String> {
    insert(cx, "attachment", disk.id, [format!("{instance}:{slot}")]).await?;
    Ok(slot)
}
async fn detach(cx: &Cx, _disk: &Disk, _slot: &usize) -> Result<(), UndoError> {
    delete(cx).await
}

#[saga_action(no_undo = "only reads")]
pub(crate) async fn choose_datasets(gib: u32) -> Result<Vec<String>, String> {
    Ok((0..3).map(|n| format!("dataset-{n}-{gib}")).collect())
}

/// One region on each dataset: it may have made some of them when it fails, which its undo finds.
#[saga_action(undo = delete(), undo_on_failure, retry(max = 2, base = "1s"))]
pub(crate) async fn ensure_regions(
    cx: &ActionContext<Cloud>,
    disk: &str,
    datasets: &[String],
) -> Result<Vec<String>, String> {
    let regions = datasets.iter().map(|dataset| format!("{dataset} for {disk}"));
    let regions = regions.collect::<Vec<_>>();
    insert(cx, "region", disk, &regions).await?;
    Ok(regions)
}

#[saga_action(undo = delete())]
pub(crate) async fn create_volume(
    cx: &ActionContext<Cloud>,
    id: &Uuid,
    regions: &[String],
) -> Result<String, String> {
    let Some(last) = regions.last() else { return Err("no regions".to_string()) };
    insert(cx, "volume", last, [id]).await?;
    Ok(id.to_string())
}

#[saga_action(undo = delete())]
pub(crate) async fn finish_disk(
    cx: &ActionContext<Cloud>,
    id: &Uuid,
    gib: u32,
    made_of: &str,
) -> Result<Disk, String> {
    insert(cx, "disk", made_of, [id]).await?;
    Ok(Disk { id: *id, gib })
}

/// Keeps everything else waiting.
#[saga_action(no_undo)]
pub(crate) async fn hold(cx: &ActionContext<Cloud>) -> Result<(), String> {
    cx.wait_at_gate().await;
    Ok(())
}

saga! {
    /// An instance with all that it needs, stopped.
    #[allow(unused_variables)]
    pub(crate) InstanceCreate<Cloud>(request: Request) -> Uuid {
        let instance_id = new_uuid {};
        let instance_record = create_instance_record {
            id: instance_id,
            project: &request.project,
            name: &request.name,
        };
        let nics = for nic in &request.nics {
            NicCreate { instance: *instance_record, nic: nic.clone() }
        };
        let external_ips = for ip in &request.external_ips {
            ExternalIpCreate { instance: *instance_record, ip: ip.clone() }
        };
        let groups = for group in &request.groups {
            GroupJoin { instance: *instance_record, group: group.to_uppercase() }
        };
        let disks = for disk in &request.disks {
            match disk {
                DiskRequest::Create(new) => DiskCreate { project: request.project, new: new.clone() },
                DiskRequest::Attach { disk } => find_disk { id: disk },
            }
        };
        let attached = for (slot, disk) in disks.iter().enumerate().collect::<Vec<_>>() {
            attach_disk { instance: instance_record, slot, disk }
        };
        let set_boot_disk = if let Some(boot) = request.boot
            && let Some(disk) = disks.get(boot)
        {
            let found = { attached.get(boot).is_some() };
            fail_if { condition: !found, message: "the boot disk is not attached" };
            create_row { table: "boot_disk", on: &disk.id, id: &format!("boots from {}", disk.id) }
        };
        let summary = {
            format!("{} {nics:?} {external_ips:?} {groups:?} {set_boot_disk:?}", request.name)
        };
        let stopped_instance =
            create_row { table: "state", on: instance_record, id: &format!("stopped: {summary}") };
        instance_id
    }

    pub(crate) NicCreate<Cloud>(instance: Uuid, nic: Nic) -> String {
        let nic_id = new_uuid {};
        let address = if let Some(ip) = &nic.ip {
            allocate_address { id: nic_id, of: instance, from: ip }
        } else {
            allocate_address { id: nic_id, of: instance, from: &nic.subnet }
        };
        create_row { table: "nic", on: nic_id, id: address }
    }

    pub(crate) ExternalIpCreate<Cloud>(instance: Uuid, ip: ExternalIp) -> String {
        let ip_id = new_uuid {};
        match ip {
            ExternalIp::Ephemeral { pool } => allocate_address { id: ip_id, of: instance, from: pool },
            ExternalIp::Floating { name } => create_row { table: "floating", on: instance, id: name },
        }
    }

    pub(crate) GroupJoin<Cloud>(instance: Uuid, group: String) -> String {
        create_row { table: "member", on: instance, id: &format!("{instance} in {group}") }
    }

    /// A disk, made of what its source says.
    #[allow(unused_variables)]
    pub(crate) DiskCreate<Cloud>(project: Uuid, new: NewDisk) -> Disk {
        let disk_id = new_uuid {};
        let volume_id = new_uuid {};
        let space_account =
            create_row { table: "space", on: project, id: &format!("{disk_id}: {} GiB", new.gib) };
        match &new.source {
            Source::ReadOnly { snapshot } => {
                let created_disk =
                    finish_disk { id: disk_id, gib: new.gib, made_of: &snapshot.to_string() };
                created_disk
            }
            Source::Crucible { block_size, importing } => {
                let name = { format!("{} of {block_size}", new.name) };
                let crucible_disk = create_row { table: "crucible", on: project, id: name };
                let datasets = choose_datasets { gib: new.gib };
                let regions = ensure_regions { disk: crucible_disk, datasets };
                let volume = create_volume { id: volume_id, regions };
                let created_disk = finish_disk { id: disk_id, gib: new.gib, made_of: volume };
                let pantry = if *importing {
                    create_row { table: "pantry", on: disk_id, id: &format!("pantry of {volume}") }
                };
                created_disk
            }
            Source::Local { sled } => {
                let local_storage = create_row { table: "local", on: project, id: sled };
                let created_disk = finish_disk { id: disk_id, gib: new.gib, made_of: local_storage };
                created_disk
            }
        }
    }

    pub(crate) Hold<Cloud>() {
        hold {};
    }
}
