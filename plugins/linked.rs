//! Links every plugin of this directory: inventory sees a crate only when a binary names it.
#![deny(unused_crate_dependencies)]

use univip_coco as _;
use univip_crops as _;
use univip_dense_cl as _;
use univip_detection as _;
use univip_fashion_scenes as _;
use univip_ground_truth as _;
use univip_image_folder as _;
use univip_imported as _;
use univip_inst_dis as _;
use univip_instance as _;
use univip_knn as _;
use univip_linear_probe as _;
use univip_mlp as _;
use univip_moco as _;
use univip_naive_boxes as _;
use univip_nt_xent as _;
use univip_overlap_views as _;
use univip_random_views as _;
use univip_resnet as _;
use univip_scene as _;
use univip_scene_instance as _;
use univip_selective_search as _;
use univip_semi_supervised as _;
use univip_simsiam as _;
use univip_supervised as _;
use univip_swav as _;
use univip_vicreg as _;
use univip_voc as _;
