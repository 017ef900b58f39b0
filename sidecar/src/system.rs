//! How the machine and the database are doing, measured in the background so that asking costs nothing.

pub mod disk_usage;
mod gpu;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sysinfo::{Disks, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use self::gpu::GpuMonitor;
use crate::store::Store;

/// How often a sample is taken.
const INTERVAL: Duration = Duration::from_secs(5);

/// One look at the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// Percent of all cores, 0 to 100.
    pub cpu: f32,
    /// Percent of memory in use, 0 to 100.
    pub memory: f32,
    /// Bytes of memory in use.
    pub memory_bytes: u64,
    /// Bytes of memory in all.
    pub memory_total: u64,
    /// Percent of the data folder's disk in use, 0 to 100.
    pub disk: f32,
    /// Bytes of that disk in use.
    pub disk_bytes: u64,
    /// Bytes of memory that this process holds.
    pub process_memory: u64,
    /// Percent of one core that this process uses.
    pub process_cpu: f32,
    /// Percent of its time that the busiest graphics card works, 0 to 100; `None` where nobody tells.
    pub graphics: Option<f32>,
    /// Whether the database answered.
    pub store_answers: bool,
}

/// Takes samples until `shutdown`; the first one is there when this returns.
pub async fn watch(store: Store, data: PathBuf, shutdown: CancellationToken) -> watch::Receiver<Sample> {
    let mut system = System::new().ok();
    let (report, samples) = watch::channel(sample(&mut system, &store, &data).await);
    tokio::spawn(async move {
        let graphics = graphics().await;
        while shutdown.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
            let machine = sample(&mut system, &store, &data).await;
            report.send_replace(Sample { graphics: graphics.load(), ..machine });
        }
    });
    samples
}

/// Looks for whoever tells about graphics cards, on a thread that is gone afterwards: none that answers requests waits for a driver.
async fn graphics() -> GpuMonitor {
    let (found, graphics) = oneshot::channel();
    let look = move || drop(found.send(GpuMonitor::open()));
    // Where there is no thread for it, nobody is found.
    let _ = std::thread::Builder::new().name("graphics".into()).spawn(look);
    graphics.await.unwrap_or_default()
}

/// A sample, with zeros for what this system does not tell.
async fn sample(system: &mut Option<System>, store: &Store, data: &Path) -> Sample {
    let answer = tokio::time::timeout(Duration::from_secs(2), store.answers()).await;
    let (disk_bytes, disk_size) = disk_usage(data);
    let disk = percent(disk_bytes, disk_size);
    let mut sample = Sample { disk, disk_bytes, store_answers: answer.unwrap_or(false), ..Sample::default() };
    if let Some(system) = system {
        system.refresh_cpu_usage();
        system.refresh_memory();
        sample.cpu = system.global_cpu_usage();
        sample.memory_bytes = system.used_memory();
        sample.memory_total = system.total_memory();
        sample.memory = percent(system.used_memory(), system.total_memory());
        if let Ok(pid) = sysinfo::get_current_pid() {
            let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
            let _ = system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
            if let Some(process) = system.process(pid) {
                (sample.process_memory, sample.process_cpu) = (process.memory(), process.cpu_usage());
            }
        }
    }
    sample
}

/// Bytes in use and in all on the disk that holds `folder`: of all mount points above it, the nearest.
fn disk_usage(folder: &Path) -> (u64, u64) {
    let Ok(disks) = Disks::new_with_refreshed_list() else { return (0, 0) };
    let holder = disks.iter().filter(|disk| folder.starts_with(disk.mount_point()));
    let nearest = holder.max_by_key(|disk| disk.mount_point().components().count());
    nearest.map_or((0, 0), |disk| (disk.total_space() - disk.available_space(), disk.total_space()))
}

/// What the machine has room for; `None` where the system does not tell.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Bytes that are free on the disk.
    pub disk: Option<u64>,
    /// Bytes of memory in all.
    pub memory: Option<u64>,
}

/// Looks at the disk that holds `folder`, or will when the folder is made, and at the memory.
#[must_use]
pub fn capacity(folder: &Path) -> Capacity {
    let absolute = std::path::absolute(folder).unwrap_or_default();
    let there = absolute.ancestors().find_map(|folder| folder.canonicalize().ok()).unwrap_or_default();
    let (used, whole) = disk_usage(&there);
    Capacity { disk: Some(whole).filter(|size| *size > 0).map(|whole| whole - used), memory: memory() }
}

/// Cores of the machine, as far as it is this process's.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Bytes of the machine's memory in all; `None` where the system does not tell.
#[must_use]
pub fn memory() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory();
    Some(system.total_memory()).filter(|size| *size > 0)
}

/// Bytes of the machine's memory that programs can still take; `None` where the system does not tell.
#[must_use]
pub fn free_memory() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory();
    Some(system.available_memory()).filter(|size| *size > 0)
}

fn percent(part: u64, whole: u64) -> f32 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 100.0) as f32 }
}
