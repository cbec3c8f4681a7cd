#compdef bai-manager

_bai_manager_completion() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _BAI_MANAGER_COMPLETE=complete_zsh bai-manager)
}

compdef _bai_manager_completion bai-manager
