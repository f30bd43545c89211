//! The command line of `univip`.

pub mod coco_eval;
pub mod data_check;
pub mod evaluate;
pub mod export;
pub mod proposals;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use univip_core::dataset::Split;

/// Self-supervised pre-training from scenes of many objects.
#[derive(Parser)]
#[command(name = "univip", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  univip ablate table7                        Table 7 at the scale `small`, on composed scenes
  univip ablate table7 --row d --seeds 0,1,2  one row, three seeds
  univip ablate all --dry-run                 what would run, and how long it would take
  univip evaluate table7-e --with knn         a measurement more, on a run that is there
  univip export table7-e --to torchvision     its backbone, for another library
  univip recipe show table7/d --scale small   every resolved value and where it comes from
  univip recipe diff table7/d table7/e        what two rows differ in
  univip proposals build --data coco=DIR      the boxes of all of COCO, made once
  univip data check images=DIR                what is wrong with images of one's own
  univip coco-eval --help                     COCO's twelve numbers of a file of detections
  univip plugins                              what can be named in a recipe

Exit codes: 0 done, 1 a run, a measurement or a file failed (the message says which), 2 a command or recipe that
cannot be used, or its data or input files, 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.")]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Run the rows of a table of the paper, or what is left of them
    #[command(after_help = "Examples:
  univip ablate table7
  univip ablate table7 --scale smoke --data coco=photos/coco --probe-data image-folder=photos/clothes
  univip ablate table8c --set optimizer.lr=0.1 --runs /tmp/runs

A finished run is reused, an interrupted one goes on; rows with the same recipe share a run.")]
    Ablate(Ablate),
    /// Run one recipe file
    #[command(after_help = "Example: univip run my-recipe.toml --scale small --seeds 0")]
    Run(RunRecipe),
    /// Measure a run that is there, or a backbone from elsewhere
    #[command(after_help = evaluate::EXAMPLES)]
    Evaluate(evaluate::Evaluate),
    /// Hand a run's backbone over to another library
    #[command(after_help = export::EXAMPLES)]
    Export(export::Export),
    /// Show or compare recipes
    #[command(subcommand)]
    Recipe(RecipeCommand),
    /// Make, bring in, take out or look at stored boxes
    #[command(subcommand)]
    Proposals(ProposalsCommand),
    /// Look at a dataset before a run does
    #[command(subcommand)]
    Data(DataCommand),
    /// Measure a file of detections as COCO does: average precision and recall, the numbers of pycocotools
    #[command(after_help = "Examples:
  univip coco-eval --annotations instances_val2017.json --detections detections.json
  univip coco-eval --annotations instances_val2017.json --detections masks.json --type segm --per-class
  univip coco-eval --annotations instances_val2017.json --detections detections.json --json numbers.json

Reads COCO's results: [{\"image_id\", \"category_id\", \"score\", \"bbox\": [x, y, width, height] or \"segmentation\"}, ...].
Numbers are from 0 to 1, and -1 where there is nothing to measure. What cannot be used is counted on standard error.")]
    CocoEval(CocoEval),
    /// List what can be named in a recipe: kind, name, crate, version, what it is
    Plugins,
}

/// `univip ablate`
#[derive(Args)]
pub struct Ablate {
    /// table7, table8a, table8b, table8c, table8, table9 or all
    pub table: String,
    /// Only this row, by its file name: d, none, ground-truth, 4, ...
    #[arg(long)]
    pub row: Option<String>,
    #[command(flatten)]
    pub layers: Layers,
    #[command(flatten)]
    pub running: Running,
    /// Print the plan and run nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `univip run`
#[derive(Args)]
pub struct RunRecipe {
    /// The recipe: a file, or the name of one of the project's (table7/d)
    pub recipe: String,
    #[command(flatten)]
    pub layers: Layers,
    #[command(flatten)]
    pub running: Running,
}

/// How runs are run.
#[derive(Args)]
pub struct Running {
    /// The seeds of each run
    #[arg(long, value_delimiter = ',', default_value = "0")]
    pub seeds: Vec<u64>,
    /// Where run directories are kept
    #[arg(long, default_value = "runs")]
    pub runs: PathBuf,
    /// Start anew, whatever is there
    #[arg(long)]
    pub force: bool,
}

/// What is laid over a recipe.
#[derive(Args)]
pub struct Layers {
    /// How large: smoke (seconds a row), small, sitting, proxy, paper
    #[arg(long, default_value = "small")]
    pub scale: String,
    /// A value of the recipe, as a.b=c; later ones win
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The images to learn from: a dataset, or a dataset and where it is (coco=DIR)
    #[arg(long, value_name = "NAME[=ROOT]")]
    pub data: Option<String>,
    /// The labelled images to measure on (image-folder=DIR)
    #[arg(long, value_name = "NAME[=ROOT]")]
    pub probe_data: Option<String>,
    /// A directory with `recipes/` and `scales/` in place of the embedded ones
    #[arg(long, value_name = "DIR")]
    pub recipes: Option<PathBuf>,
}

/// `univip recipe`
#[derive(Subcommand)]
pub enum RecipeCommand {
    /// Print every resolved value with where it comes from
    Show {
        /// A file, or the name of one of the project's (table7/d)
        recipe: String,
        #[command(flatten)]
        layers: Layers,
    },
    /// Print what two recipes differ in
    Diff {
        /// One recipe
        a: String,
        /// The other
        b: String,
        #[command(flatten)]
        layers: Layers,
    },
}

/// `univip data`
#[derive(Subcommand)]
pub enum DataCommand {
    /// List all that is wrong with a dataset
    #[command(after_help = data_check::EXAMPLES)]
    Check(data_check::Check),
}

/// `univip proposals`
#[derive(Subcommand)]
pub enum ProposalsCommand {
    /// Make the boxes of every image of a split, or what is left of them
    #[command(after_help = "Examples:
  univip proposals build --data coco=photos/coco
  univip proposals build --data coco=photos/coco --split val2017 --mode quality --jobs 8
  univip proposals build --data image-folder=photos/clothes --set proposal.selective-search.min_size=50

A whole store is left as it is, a killed build goes on, and other parameters make another store. A run with the
same --runs, data and parameters finds the boxes; without them it makes the same ones itself.")]
    Build {
        #[command(flatten)]
        store: StoreChoice,
        /// Threads; 0 is one a core
        #[arg(long, default_value_t = 0)]
        jobs: usize,
    },
    /// Put boxes of another program into a store
    #[command(after_help = "Examples:
  univip proposals import train2017.json --name orl --data coco=photos/coco
  univip ablate table7 --data coco=photos/coco --set proposals.use=imported --set proposal.imported.name=orl

Reads {\"139\": [[x, y, width, height], ...], ...} and ORL's {\"bbox\": [[[x, y, width, height], ...], ...]}, in the order of the
dataset. A name is an image's id, or the end of its file's path, with or without its ending: 000005.jpg, a/0.jpg, 000005.
One that several images have is refused.")]
    Import {
        /// The JSON file
        file: PathBuf,
        /// What recipes call these boxes: `proposal.imported.name`
        #[arg(long, default_value = "imported")]
        name: String,
        #[command(flatten)]
        store: StoreChoice,
    },
    /// Write the boxes of a whole store as JSON, unfiltered and in order
    #[command(after_help = "Examples:
  univip proposals export boxes.json --data coco=photos/coco
  univip proposals export boxes.json --orl --data coco=photos/coco --split val")]
    Export {
        /// The JSON file to write
        file: PathBuf,
        /// As ORL reads it: one list, in the order of the dataset
        #[arg(long)]
        orl: bool,
        #[command(flatten)]
        store: StoreChoice,
    },
    /// Count the boxes before and after the filter (A.3), and what they find of the annotated objects
    #[command(after_help = "Examples:
  univip proposals stats --data coco=photos/coco
  univip proposals stats --data coco=photos/coco --set proposals.limits.min_side=96
  univip proposals stats --data fashion-scenes --scale small --set proposals.use=ground-truth")]
    Stats {
        /// Where the picture is written
        #[arg(long, value_name = "FILE", default_value = "reports/out/proposals.svg")]
        picture: PathBuf,
        #[command(flatten)]
        store: StoreChoice,
    },
}

/// `univip coco-eval`
#[derive(Args)]
pub struct CocoEval {
    /// What is annotated: a COCO annotation file
    #[arg(long, value_name = "FILE")]
    pub annotations: PathBuf,
    /// What was found: a COCO results file
    #[arg(long, value_name = "FILE")]
    pub detections: PathBuf,
    /// What is compared: boxes or masks
    #[arg(long, value_enum, default_value_t = IouChoice::Bbox)]
    pub r#type: IouChoice,
    /// Also print a table with a line for each class
    #[arg(long)]
    pub per_class: bool,
    /// Also write every number, with all digits
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// What intersection over union is taken of, by COCO's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IouChoice {
    /// Boxes
    Bbox,
    /// Masks
    Segm,
}

/// Which store.
#[derive(Args)]
pub struct StoreChoice {
    #[command(flatten)]
    pub layers: StoreLayers,
    /// Which images; COCO's names of the directories mean the same
    #[arg(long, value_enum, default_value_t = SplitChoice::Train)]
    pub split: SplitChoice,
    /// The preset of selective search: fast or quality
    #[arg(long)]
    pub mode: Option<String>,
    /// Where run directories and stores are kept
    #[arg(long, default_value = "runs")]
    pub runs: PathBuf,
}

/// What is laid over the base recipe.
#[derive(Args, Clone)]
pub struct StoreLayers {
    /// The images: a dataset, or a dataset and where it is (coco=DIR)
    #[arg(long, value_name = "NAME[=ROOT]")]
    pub data: Option<String>,
    /// Whose limits `stats` applies: paper (A.3), small, smoke, ...
    #[arg(long, default_value = "paper")]
    pub scale: String,
    /// A value of the recipe, as a.b=c; later ones win
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// A directory with `recipes/` and `scales/` in place of the embedded ones
    #[arg(long, value_name = "DIR")]
    pub recipes: Option<PathBuf>,
}

impl From<StoreLayers> for Layers {
    fn from(StoreLayers { data, scale, set, recipes }: StoreLayers) -> Self {
        Self { scale, set, data, probe_data: None, recipes }
    }
}

/// A split, also by COCO's name of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SplitChoice {
    /// What networks learn from
    #[value(alias = "train2017")]
    Train,
    /// What they are measured on
    #[value(alias = "val2017")]
    Val,
}

impl From<SplitChoice> for Split {
    fn from(choice: SplitChoice) -> Self {
        match choice {
            SplitChoice::Train => Split::Train,
            SplitChoice::Val => Split::Val,
        }
    }
}
