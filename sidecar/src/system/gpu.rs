//! GPU utilisation: of NVIDIA cards through NVML, where it is installed; of others through Linux's sysfs.

use std::fs;
use std::path::Path;

use nvml_wrapper::Nvml;

/// The sysfs folder with one folder per card.
const CARDS: &str = "/sys/class/drm";

/// The available sources.
#[derive(Debug, Default)]
pub(crate) struct GpuMonitor(Option<Nvml>);

impl GpuMonitor {
    /// Loads NVML, which takes a moment.
    pub(crate) fn open() -> Self {
        Self(Nvml::init().ok())
    }

    /// Utilisation of the busiest GPU, in percent, 0 to 100; `None` where the system does not report it.
    pub(crate) fn load(&self) -> Option<f32> {
        let nvidia = self.0.iter().flat_map(|library| {
            let numbers = 0..library.device_count().unwrap_or_default();
            numbers.filter_map(|number| library.device_by_index(number).ok()?.utilization_rates().ok())
        });
        nvidia.map(|rates| rates.gpu as f32).chain(sysfs_busy_percent(Path::new(CARDS))).reduce(f32::max)
    }
}

/// Utilisation of the cards in a sysfs folder; some drivers report it.
fn sysfs_busy_percent(cards: &Path) -> Vec<f32> {
    let cards = fs::read_dir(cards).into_iter().flatten().flatten();
    let reported = cards.filter_map(|card| fs::read_to_string(card.path().join("device/gpu_busy_percent")).ok());
    reported.filter_map(|percent| percent.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_whose_driver_reports_its_utilisation_is_read_and_others_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        for (card, reported) in [("card0", Some("37\n")), ("card1", None), ("card2", Some("?"))] {
            let device = folder.path().join(card).join("device");
            fs::create_dir_all(&device).unwrap();
            if let Some(reported) = reported {
                fs::write(device.join("gpu_busy_percent"), reported).unwrap();
            }
        }
        assert_eq!(sysfs_busy_percent(folder.path()), [37.0]);
        assert!(sysfs_busy_percent(Path::new("/nowhere")).is_empty());
    }
}
