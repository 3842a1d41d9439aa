//! The names of the operations, in words: what messages, journals and injected failures call them.

/// [`super::Engine::info`]
pub const INFO: &str = "ask Docker at";
/// [`super::Engine::find_image`]
pub const FIND_IMAGE: &str = "find image";
/// [`super::Engine::list_images`]
pub const LIST_IMAGES: &str = "list images labelled";
/// [`super::Engine::pull_image`]
pub const PULL_IMAGE: &str = "pull image";
/// [`super::Engine::remove_image`]
pub const REMOVE_IMAGE: &str = "remove image";
/// [`super::Engine::tag_image`]
pub const TAG_IMAGE: &str = "tag image";
/// [`super::Engine::import_image`]
pub const IMPORT_IMAGE: &str = "import image";
/// [`super::Engine::commit`]
pub const COMMIT: &str = "make an image of container";
/// [`super::Engine::save_images`]
pub const SAVE_IMAGES: &str = "save images";
/// [`super::Engine::list_networks`]
pub const LIST_NETWORKS: &str = "list networks of";
/// [`super::Engine::create_network`]
pub const CREATE_NETWORK: &str = "create network";
/// [`super::Engine::disconnect_container`]
pub const DISCONNECT_CONTAINER: &str = "disconnect container";
/// [`super::Engine::remove_network`]
pub const REMOVE_NETWORK: &str = "remove network";
/// [`super::Engine::list_volumes`]
pub const LIST_VOLUMES: &str = "list volumes labelled";
/// [`super::Engine::create_volume`]
pub const CREATE_VOLUME: &str = "create volume";
/// [`super::Engine::remove_volume`]
pub const REMOVE_VOLUME: &str = "remove volume";
/// [`super::Engine::list_containers`]
pub const LIST_CONTAINERS: &str = "list containers labelled";
/// [`super::Engine::inspect_container`]
pub const INSPECT_CONTAINER: &str = "inspect container";
/// [`super::Engine::create_container`]
pub const CREATE_CONTAINER: &str = "create container";
/// [`super::Engine::start_container`]
pub const START_CONTAINER: &str = "start container";
/// [`super::Engine::stop_container`]
pub const STOP_CONTAINER: &str = "stop container";
/// [`super::Engine::keep_container`]
pub const KEEP_CONTAINER: &str = "change when Docker starts container";
/// [`super::Engine::rename_container`]
pub const RENAME_CONTAINER: &str = "rename container";
/// [`super::Engine::pause_container`]
pub const PAUSE_CONTAINER: &str = "pause container";
/// [`super::Engine::unpause_container`]
pub const UNPAUSE_CONTAINER: &str = "unpause container";
/// [`super::Engine::remove_container`]
pub const REMOVE_CONTAINER: &str = "remove container";
/// [`super::Engine::wait_container`]
pub const WAIT_CONTAINER: &str = "wait for the end of container";
/// [`super::Engine::container_logs`]
pub const CONTAINER_LOGS: &str = "read the log of container";
/// [`super::Engine::export_container`]
pub const EXPORT_CONTAINER: &str = "pack container";
/// [`super::Engine::put_archive`] and [`super::Engine::put_stream`]
pub const PUT_ARCHIVE: &str = "put files into";
/// [`super::Engine::get_archive`]
pub const GET_ARCHIVE: &str = "get files from";
/// [`super::Engine::exec`] and [`super::Engine::exec_attached`]
pub const EXEC: &str = "run a program in container";
/// [`super::Engine::resize_exec`]
pub const RESIZE_EXEC: &str = "resize the terminal of";
/// [`super::Engine::exec_status`]
pub const EXEC_STATUS: &str = "learn the exit status of";
/// [`super::Engine::stats`]
pub const STATS: &str = "measure container";

/// Whether the operation may change something: a caller that is cancelled lets such a call finish, because the engine
/// may carry it out although nobody listens any more.
pub fn changes(operation: &str) -> bool {
    matches!(
        operation,
        PULL_IMAGE
            | REMOVE_IMAGE
            | TAG_IMAGE
            | IMPORT_IMAGE
            | COMMIT
            | CREATE_NETWORK
            | DISCONNECT_CONTAINER
            | REMOVE_NETWORK
            | CREATE_VOLUME
            | REMOVE_VOLUME
            | CREATE_CONTAINER
            | START_CONTAINER
            | STOP_CONTAINER
            | KEEP_CONTAINER
            | RENAME_CONTAINER
            | PAUSE_CONTAINER
            | UNPAUSE_CONTAINER
            | REMOVE_CONTAINER
            | PUT_ARCHIVE
            | EXEC
    )
}
