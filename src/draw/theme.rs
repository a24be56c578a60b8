//! Colours. The hues are those of Okabe and Ito ("Color Universal Design", 2008), which people with colour-blind
//! eyes can tell apart; the shapes of the boxes say the same again for prints without colours.

use super::scene::Kind;
use crate::ops::Family;

/// What a drawing is looked at on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Theme {
    /// Dark on white
    #[default]
    Light,
    /// Light on dark
    Dark,
    /// Shades of grey, for a print without colours
    Print,
}

/// The fill and line of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    pub fill: &'static str,
    pub line: &'static str,
}

const fn paint(fill: &'static str, line: &'static str) -> Paint {
    Paint { fill, line }
}

/// The colours of one theme.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    pub background: &'static str,
    pub text: &'static str,
    pub faint_text: &'static str,
    pub arrow: &'static str,
    /// Fill and line of the levels' frames.
    pub level: Paint,
    pub block: Paint,
    pub loss: Paint,
    pub added: Paint,
    pub removed: Paint,
    pub changed: Paint,
}

impl Theme {
    pub fn palette(self) -> Palette {
        match self {
            Theme::Light => Palette {
                background: "#ffffff",
                text: "#1a1a1a",
                faint_text: "#5f6368",
                arrow: "#3c4043",
                level: paint("#f6f7f9", "#c4c9d0"),
                block: paint("#ffffff", "#9aa0a6"),
                loss: paint("#f7e6ef", "#a34d7c"),
                added: paint("#d5efe6", "#007a59"),
                removed: paint("#fadfd0", "#b84a00"),
                changed: paint("#fdf3c4", "#8a6d00"),
            },
            Theme::Dark => Palette {
                background: "#15181d",
                text: "#eceff1",
                faint_text: "#a3abb5",
                arrow: "#c3c9d1",
                level: paint("#1d2127", "#454d57"),
                block: paint("#15181d", "#77808b"),
                loss: paint("#43293a", "#e09abf"),
                added: paint("#0e3b30", "#2cc79a"),
                removed: paint("#4a2712", "#ff9558"),
                changed: paint("#453a0c", "#f0d24a"),
            },
            Theme::Print => Palette {
                background: "#ffffff",
                text: "#000000",
                faint_text: "#444444",
                arrow: "#000000",
                level: paint("#ffffff", "#999999"),
                block: paint("#ffffff", "#666666"),
                loss: paint("#ffffff", "#000000"),
                added: paint("#e0e0e0", "#000000"),
                removed: paint("#ffffff", "#000000"),
                changed: paint("#f0f0f0", "#000000"),
            },
        }
    }

    pub fn paint(self, kind: Kind) -> Paint {
        let Kind::Stage(family) = kind else {
            return match self {
                Theme::Light => paint("#ffffff", "#5f6368"),
                Theme::Dark => paint("#15181d", "#a3abb5"),
                Theme::Print => paint("#ffffff", "#000000"),
            };
        };
        let column = match family {
            Family::Convolution => 0,
            Family::Pooling => 1,
            Family::Readout | Family::Decoder | Family::Kernel => 2,
            Family::Normalization => 3,
            Family::Activation => 4,
            Family::Dense => 5,
            Family::Input | Family::Structure => 6,
        };
        let paints = match self {
            Theme::Light => [
                paint("#d3e4f3", "#0072b2"),
                paint("#fadcc9", "#d55e00"),
                paint("#cdeadf", "#009e73"),
                paint("#fbf6c8", "#a89a00"),
                paint("#def1fb", "#3a9bd1"),
                paint("#fce8c3", "#c28500"),
                paint("#ffffff", "#5f6368"),
            ],
            Theme::Dark => [
                paint("#123a55", "#56b4e9"),
                paint("#55290c", "#ff8a3d"),
                paint("#0c4234", "#2cc79a"),
                paint("#454010", "#f0e442"),
                paint("#17394a", "#8fd0f5"),
                paint("#4d390c", "#f2b637"),
                paint("#15181d", "#a3abb5"),
            ],
            Theme::Print => [
                paint("#d9d9d9", "#000000"),
                paint("#b8b8b8", "#000000"),
                paint("#ececec", "#000000"),
                paint("#ffffff", "#000000"),
                paint("#ffffff", "#000000"),
                paint("#f6f6f6", "#000000"),
                paint("#ffffff", "#000000"),
            ],
        };
        paints[column]
    }
}
