//! What the system says about this machine.

/// The name of this machine in its network; empty where the system has none.
pub fn host() -> String {
    #[cfg(unix)]
    {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }
    #[cfg(not(unix))]
    {
        std::env::var("COMPUTERNAME").unwrap_or_default()
    }
}

/// The processor's name; empty where the system does not say.
pub fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name"));
    name.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim().to_owned()).unwrap_or_default()
}

/// The processor's features that kernels choose their instructions by: results may differ in their last bits between
/// machines that differ in these.
pub fn cpu_features() -> Vec<&'static str> {
    #[allow(unused_mut)] // Nothing is asked for on other architectures.
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! ask {
            ($($name:tt),*) => { $(if std::arch::is_x86_feature_detected!($name) { found.push($name) })* };
        }
        ask!("avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl");
    }
    #[cfg(target_arch = "aarch64")]
    {
        macro_rules! ask {
            ($($name:tt),*) => { $(if std::arch::is_aarch64_feature_detected!($name) { found.push($name) })* };
        }
        ask!("neon", "fp16");
    }
    found
}
