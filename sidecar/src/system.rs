//! System metrics, sampled in the background so that reading them costs nothing.

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

/// A sample of the machine's metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// CPU usage over all cores, in percent, 0 to 100.
    pub cpu: f32,
    /// Memory usage, in percent, 0 to 100.
    pub memory: f32,
    /// Used memory, in bytes.
    pub memory_bytes: u64,
    /// Total memory, in bytes.
    pub memory_total: u64,
    /// Usage of the data folder's disk, in percent, 0 to 100.
    pub disk: f32,
    /// Used space on that disk, in bytes.
    pub disk_bytes: u64,
    /// Memory of this process, in bytes.
    pub process_memory: u64,
    /// CPU usage of this process, in percent of one core.
    pub process_cpu: f32,
    /// Utilisation of the busiest GPU, in percent, 0 to 100; `None` where the system does not report it.
    pub graphics: Option<f32>,
    /// Whether the database is reachable.
    pub store_answers: bool,
}

/// Takes samples until `shutdown`; the first one is available when this returns.
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

/// Opens the GPU monitor on a thread of its own, which ends afterwards, so that no thread of the runtime waits for a
/// driver.
async fn graphics() -> GpuMonitor {
    let (found, graphics) = oneshot::channel();
    let open = move || drop(found.send(GpuMonitor::open()));
    // Without a thread, the default monitor is used, which reports nothing of NVIDIA.
    let _ = std::thread::Builder::new().name("graphics".into()).spawn(open);
    graphics.await.unwrap_or_default()
}

/// Takes a sample, with zeros for what this system does not report.
async fn sample(system: &mut Option<System>, store: &Store, data: &Path) -> Sample {
    let answer = tokio::time::timeout(Duration::from_secs(2), store.is_reachable()).await;
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

/// Used and total bytes of the disk that holds `folder`: the one with the nearest mount point.
fn disk_usage(folder: &Path) -> (u64, u64) {
    let Ok(disks) = Disks::new_with_refreshed_list() else { return (0, 0) };
    let holder = disks.iter().filter(|disk| folder.starts_with(disk.mount_point()));
    let nearest = holder.max_by_key(|disk| disk.mount_point().components().count());
    nearest.map_or((0, 0), |disk| (disk.total_space() - disk.available_space(), disk.total_space()))
}

/// The capacity of the machine; `None` where the system does not report it.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Free space on the disk, in bytes.
    pub disk: Option<u64>,
    /// Total memory, in bytes.
    pub memory: Option<u64>,
}

/// Measures the memory, and the disk that holds `folder` or will hold it once it is created.
#[must_use]
pub fn capacity(folder: &Path) -> Capacity {
    let absolute = std::path::absolute(folder).unwrap_or_default();
    let there = absolute.ancestors().find_map(|folder| folder.canonicalize().ok()).unwrap_or_default();
    let (used, total) = disk_usage(&there);
    Capacity { disk: Some(total).filter(|size| *size > 0).map(|total| total - used), memory: memory() }
}

/// Number of CPU cores that this process may use.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Total memory of the machine, in bytes; `None` where the system does not report it.
#[must_use]
pub fn memory() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory();
    Some(system.total_memory()).filter(|size| *size > 0)
}

/// Available memory of the machine, in bytes; `None` where the system does not report it.
#[must_use]
pub fn free_memory() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory();
    Some(system.available_memory()).filter(|size| *size > 0)
}

fn percent(part: u64, total: u64) -> f32 {
    if total == 0 { 0.0 } else { (part as f64 / total as f64 * 100.0) as f32 }
}
