abi <abi/4.0>,
include <tunables/global>

profile sparkwheel @PROGRAM@ flags=(unconfined) {
  userns,
  include if exists <local/sparkwheel>
}
