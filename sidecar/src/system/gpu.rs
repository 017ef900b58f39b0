//! How busy graphics cards are: NVIDIA's as its own library tells, where that is installed; others as Linux does.

use std::fs;
use std::path::Path;

use nvml_wrapper::Nvml;

/// Where Linux has a folder for each card.
const CARDS: &str = "/sys/class/drm";

/// Whoever can be asked.
#[derive(Debug, Default)]
pub struct GpuMonitor(Option<Nvml>);

impl GpuMonitor {
    /// Looks for NVIDIA's library, which takes a moment to load.
    pub fn open() -> Self {
        Self(Nvml::init().ok())
    }

    /// Percent of its time that the busiest card works, 0 to 100; `None` where nobody tells.
    pub fn load(&self) -> Option<f32> {
        let nvidia = self.0.iter().flat_map(|library| {
            let numbers = 0..library.device_count().unwrap_or_default();
            numbers.filter_map(|number| library.device_by_index(number).ok()?.utilization_rates().ok())
        });
        nvidia.map(|rates| rates.gpu as f32).chain(sysfs_busy_percent(Path::new(CARDS))).reduce(f32::max)
    }
}

/// What the drivers of the cards in a folder tell; some of them do.
fn sysfs_busy_percent(cards: &Path) -> Vec<f32> {
    let cards = fs::read_dir(cards).into_iter().flatten().flatten();
    let told = cards.filter_map(|card| fs::read_to_string(card.path().join("device/gpu_busy_percent")).ok());
    told.filter_map(|percent| percent.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_whose_driver_tells_is_read_and_others_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for (card, told) in [("card0", Some("37\n")), ("card1", None), ("card2", Some("?"))] {
            let device = folder.path().join(card).join("device");
            fs::create_dir_all(&device).unwrap();
            if let Some(told) = told {
                fs::write(device.join("gpu_busy_percent"), told).unwrap();
            }
        }
        assert_eq!(sysfs_busy_percent(folder.path()), [37.0]);
        assert!(sysfs_busy_percent(Path::new("/nowhere")).is_empty());
    }
}
