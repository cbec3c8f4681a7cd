_bai_manager_completion() {
    local IFS=$'
'
    COMPREPLY=( $( env COMP_WORDS="${COMP_WORDS[*]}" \
                   COMP_CWORD=$COMP_CWORD \
                   _BAI_MANAGER_COMPLETE=complete_bash $1 ) )
    return 0
}

complete -o default -F _bai_manager_completion bai-manager
