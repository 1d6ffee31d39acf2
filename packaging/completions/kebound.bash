# bash completion for kebound                              -*- shell-script -*-
# SPDX-License-Identifier: Apache-2.0

_kebound_scan() {
  if [[ $cur == --*=* ]]; then
    prev=${cur%%=*}
    cur=${cur#*=}
  fi
  case $prev in
    --report) COMPREPLY=($(compgen -W 'text json' -- "$cur")); return ;;
  esac
  if [[ $cur == -* && $prev != -o && $prev != --output ]]; then
    COMPREPLY=($(compgen -W '--report --output --all --no-debug-info --help' -- "$cur"))
  else
    _filedir
  fi
}

_kebound() {
  local cur prev words cword
  _init_completion -n = || return

  # The subcommand is the first word that is there; PROGRAM is the first one behind it that is neither an
  # option nor an option's value.
  local command=${words[1]-} i program=0
  for ((i = 2; i < cword && program == 0; ++i)); do
    case ${words[i]} in
      --) program=$((i + 1)) ;;
      --host | --driver | --on-bound | --rules | --gen-suppressions | --profile | --report | --source-root | --format | -o | --output | --error-exitcode | \
        --livelock-limit | --calls | --callback-threads | --pin | --backtraces) ((++i)) ;;
      -*) ;;
      *) program=$i ;;
    esac
  done

  if ((cword == 1)); then
    COMPREPLY=($(compgen -W 'run attach monitor report replay scan --help --version' -- "$cur"))
    return
  fi
  if [[ $command == scan ]]; then
    _kebound_scan
    return
  fi
  if ((program > 0 && cword >= program)) && [[ $command == run || $command == attach ]]; then
    [[ $command == run ]] && _command_offset "$program"
    return
  fi
  # --option=value completes like --option value.
  if [[ $cur == --*=* ]]; then
    prev=${cur%%=*}
    cur=${cur#*=}
  fi
  case $prev in
    --driver) _filedir so; return ;;
    --rules) _filedir; return ;;
    --gen-suppressions) COMPREPLY=($(compgen -W 'all no' -- "$cur")); return ;;
    -o | --output) _filedir; return ;;
    --source-root) _filedir -d; return ;;
    --format) COMPREPLY=($(compgen -W 'text jsonl sarif html' -- "$cur")); return ;;
    --host) COMPREPLY=($(compgen -W 'supervisor inproc auto' -- "$cur")); return ;;
    --on-bound) COMPREPLY=($(compgen -W 'propagate clamp skip terminate' -- "$cur")); return ;;
    --profile) COMPREPLY=($(compgen -W 'default windows' -- "$cur")); return ;;
    --report) COMPREPLY=($(compgen -W 'text jsonl sarif html journal none' -- "$cur")); return ;;
    --pin) COMPREPLY=($(compgen -W "follow none $(seq 0 $(($(nproc) - 1)))" -- "$cur")); return ;;
    --calls)
      COMPREPLY=($(compgen -W 'all none ubsan libstdc++ libc++ fortify stack-protector' -- "$cur")); return ;;
    --backtraces) COMPREPLY=($(compgen -W 'first all none' -- "$cur")); return ;;
    --error-exitcode | --livelock-limit | --callback-threads) return ;;
  esac
  case $command in
    run | attach) ;;
    monitor)
      COMPREPLY=($(compgen -W '--report --output --count --device --verbose --help' -- "$cur"))
      return
      ;;
    report)
      [[ $cur == -* ]] && COMPREPLY=($(compgen -W '--format --output --source-root --verbose --help' -- "$cur")) || _filedir
      return ;;
    replay)
      [[ $cur == -* ]] && COMPREPLY=($(compgen -W '--driver --on-bound --profile --output --verbose --help' -- "$cur")) || _filedir
      return ;;
    *) return ;;
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W '--host --driver --on-bound --rules --gen-suppressions --profile --report --output --source-root --error-exitcode
      --livelock-limit --calls --callback-threads --pin --backtraces --verbose --help' -- "$cur"))
  elif [[ $command == run ]]; then
    _command_offset "$cword"
  else
    _pids
  fi
} &&
  complete -F _kebound kebound
