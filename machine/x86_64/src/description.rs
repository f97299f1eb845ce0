//! What a CPU is, in the words of `/proc/cpuinfo`.

use crate::features::text;
use crate::percpu;
use crate::registers::cpuid;
use crate::time::counter_frequency;
use contract::CpuId;
use core::fmt::{Result, Write};
use core::sync::atomic::Ordering::Relaxed;

/// Names of feature bits, by leaf and register, in Linux's words; empty names are not shown.
const ONE_EDX: &str = "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn \
    clflush - dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe";
const ONE_ECX: &str = "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 \
    xtpr pdcm - pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - avx f16c \
    rdrand hypervisor";
const EXTENDED_EDX: &str = "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt \
    pdpe1gb rdtscp - lm 3dnowext 3dnow";
const EXTENDED_ECX: &str = "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse \
    3dnowprefetch osvw ibs xop skinit wdt";
const SEVEN_EBX: &str = "fsgsbase tsc_adjust - bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx \
    rdt_a avx512f avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er \
    avx512cd sha_ni avx512bw avx512vl";
const SEVEN_ECX: &str = "- avx512vbmi umip pku ospke waitpkg avx512_vbmi2 - gfni vaes vpclmulqdq \
    avx512_vnni avx512_bitalg tme avx512_vpopcntdq - la57 - - - - - rdpid";

fn flags(out: &mut dyn Write, register: u32, names: &str) -> Result {
    for (bit, name) in names.split_ascii_whitespace().enumerate() {
        if register & 1 << bit != 0 && name != "-" {
            write!(out, " {name}")?;
        }
    }
    Ok(())
}

/// Writes a CPU's entry, without the empty line that ends it. All CPUs of a machine are alike but for
/// their numbers; a CPU that does not exist has no entry.
pub fn describe(id: CpuId, out: &mut dyn Write) -> Result {
    let Some(cpu) = percpu::of(id) else { return Ok(()) };
    let zero = cpuid(0, 0);
    let one = cpuid(1, 0);
    let seven = if zero.eax >= 7 { Some(cpuid(7, 0)) } else { None };
    let extended = cpuid(0x8000_0001, 0);
    let vendor = text([zero.ebx, zero.edx, zero.ecx]);
    let field = |shift: u32, bits: u32| one.eax >> shift & ((1 << bits) - 1);
    let family = field(8, 4) + if field(8, 4) == 15 { field(20, 8) } else { 0 };
    let model = field(4, 4) | if family >= 6 { field(16, 4) << 4 } else { 0 };
    let mut name = [0; 48];
    if cpuid(0x8000_0000, 0).eax >= 0x8000_0004 {
        for (i, leaf) in (0x8000_0002..=0x8000_0004).enumerate() {
            let r = cpuid(leaf, 0);
            for (j, register) in [r.eax, r.ebx, r.ecx, r.edx].into_iter().enumerate() {
                let at = 16 * i + 4 * j;
                name[at..at + 4].copy_from_slice(&register.to_le_bytes());
            }
        }
    }
    let name = core::str::from_utf8(&name).unwrap_or("").trim_matches(['\0', ' ']);
    let kilohertz = counter_frequency() / 1000;
    let apic_id = cpu.apic_id.load(Relaxed);
    writeln!(out, "processor\t: {id}")?;
    writeln!(out, "vendor_id\t: {}", core::str::from_utf8(&vendor).unwrap_or("unknown"))?;
    writeln!(out, "cpu family\t: {family}\nmodel\t\t: {model}\nmodel name\t: {name}")?;
    writeln!(out, "stepping\t: {}", field(0, 4))?;
    writeln!(out, "cpu MHz\t\t: {}.{:03}", kilohertz / 1000, kilohertz % 1000)?;
    writeln!(out, "physical id\t: 0\nsiblings\t: {}", percpu::cpus())?;
    writeln!(out, "core id\t\t: {id}\ncpu cores\t: {}", percpu::cpus())?;
    writeln!(out, "apicid\t\t: {apic_id}\ninitial apicid\t: {apic_id}")?;
    writeln!(out, "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: {}\nwp\t\t: yes", zero.eax)?;
    write!(out, "flags\t\t:")?;
    flags(out, one.edx, ONE_EDX)?;
    flags(out, extended.edx, EXTENDED_EDX)?;
    flags(out, one.ecx, ONE_ECX)?;
    flags(out, extended.ecx, EXTENDED_ECX)?;
    if let Some(seven) = seven {
        flags(out, seven.ebx, SEVEN_EBX)?;
        flags(out, seven.ecx, SEVEN_ECX)?;
    }
    let sizes = cpuid(0x8000_0008, 0).eax;
    writeln!(out, "\nbogomips\t: {}.{:02}", kilohertz / 500, kilohertz / 5 % 100)?;
    writeln!(out, "clflush size\t: 64\ncache_alignment\t: 64")?;
    writeln!(
        out,
        "address sizes\t: {} bits physical, {} bits virtual\npower management:",
        sizes & 0xff,
        sizes >> 8 & 0xff
    )
}
