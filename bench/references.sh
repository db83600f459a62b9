# references.sh - the servers of others that scripts/bench compares regcast with: whether they are
# here, and how they are started. Sourced by scripts/bench; needs its $work and $files.
#
#   nchan  nginx with the nchan module      ws  Node's ws      uws  uWebSockets.js
#   grpc-js  the server of @grpc/grpc-js

readonly REFERENCES=nchan,ws,uws,grpc-js
readonly NCHAN_MODULE=/usr/lib/nginx/modules/ngx_nchan_module.so UWS_DIR=.deps/uws

# Prints why a server cannot be used, nothing if it can.
reference_missing() { # NAME
    local reason
    case $1 in
        nchan)
            if [ -z "$(nginx_program)" ]; then
                echo "nginx is not installed (scripts/setup --bench)"
            elif [ ! -e $NCHAN_MODULE ]; then
                echo "nginx has no nchan module (scripts/setup --bench)"
            fi
            ;;
        ws) [ -e node_modules/ws ] || echo "Node's ws is not installed (scripts/setup --bench)" ;;
        grpc-js)
            [ -e node_modules/@grpc/grpc-js ] || echo "@grpc/grpc-js is not installed (scripts/setup --bench)"
            ;;
        uws)
            if [ ! -d $UWS_DIR/node_modules ]; then
                echo "uWebSockets.js is not installed (scripts/setup --bench)"
            else
                uws_node
                reason=$("${node[@]}" -e "require('./$UWS_DIR/node_modules/@btc-vision/uwebsockets.js')" 2>&1) ||
                    echo "uWebSockets.js does not load: $(grep -m 1 -oE "version .*GLIBC[^ ]* not found" <<<"$reason" ||
                        echo "it has no module for Node $(node --version) here")"
            fi
            ;;
    esac
}

# Prints what is measured, for the report.
reference_version() { # NAME
    case $1 in
        nchan)
            echo "$("$(nginx_program)" -v 2>&1 | sed 's#.*/#nginx #'), nchan $(dpkg-query -W -f '${Version}' libnginx-mod-nchan 2>/dev/null)"
            ;;
        ws) echo "ws $(package_version node_modules/ws), Node $(node --version)" ;;
        grpc-js) echo "@grpc/grpc-js $(package_version node_modules/@grpc/grpc-js), Node $(node --version)" ;;
        uws) echo "uWebSockets.js $(package_version $UWS_DIR/node_modules/@btc-vision/uwebsockets.js), Node $(node --version)" ;;
    esac
}
package_version() { sed -nE 's/^ *"version": "([^"]*)".*/\1/p' "$1/package.json"; }
nginx_program() { PATH=$PATH:/usr/sbin command -v nginx || true; }

# Sets `node` to what starts Node for uWebSockets.js: with the C library beside it, if there is one.
uws_node() {
    local loader folders
    node=(node)
    [ -d $UWS_DIR/lib ] || return 0
    loader=$(find $UWS_DIR/lib -name 'ld-linux-*.so.*' -type f -print -quit)
    folders=$(find "$PWD/$UWS_DIR/lib" \( -name 'libc.so.6' -o -name 'libstdc++.so.6' -o -name 'libgcc_s.so.1' \) \
        -printf '%h\n' | paste -sd :)
    [ -z "$loader" ] || node=("$loader" --library-path "$folders" "$(command -v node)")
}

# Sets `command` to what starts a server, but for --ready-file.
reference_command() { # NAME
    case $1 in
        ws) command=(node bench/reference_ws.mjs) ;;
        grpc-js) command=(node bench/reference_grpc.mjs) ;;
        uws)
            uws_node
            command=("${node[@]}" bench/reference_uws.mjs)
            ;;
        nchan)
            write_nchan
            command=("$(nginx_program)" -p "$work/nchan/" -c nginx.conf -e "$work/nchan.log")
            ;;
    esac
}

# How bench_load gives a server its messages: as they shall go out, or each as a request of its own.
reference_form() { # NAME
    case $1 in
        nchan) echo single ;;
        *) echo raw ;;
    esac
}

# A certificate for those scenarios that have --tls, of the kind that most sites have.
make_certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench \
        -addext subjectAltName=IP:127.0.0.1 -out "$work/certificate.pem" -keyout "$work/key.pem" 2>/dev/null
}

# nginx in a folder of its own: one worker process, no logs, and a message buffer that holds whatever
# is on its way. Publishers have a port of their own: their requests come many at once, and what is
# read in one piece is set for each port.
write_nchan() { # uses measure's tls
    local user='' ssl='' certificate=''
    if [ -n "$tls" ]; then
        ssl=' ssl'
        certificate="ssl_certificate $work/certificate.pem; ssl_certificate_key $work/key.pem;"
        certificate+=" ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;"
    fi
    [ "$(id -u)" -ne 0 ] || user="user $(id -un) $(id -gn);"
    mapfile -t nchan_ports < <(free_ports)
    mkdir -p "$work/nchan"
    cat >"$work/nchan/nginx.conf" <<END
load_module $NCHAN_MODULE;
daemon off;
worker_processes 1;
pid nginx.pid;
$user
events {
    use epoll;
    multi_accept on;
    worker_connections $files;
}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    scgi_temp_path scgi;
    uwsgi_temp_path uwsgi;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    nchan_shared_memory_size 256M;
    nchan_message_buffer_length 10000;
    nchan_message_timeout 10m;
    server {
        listen 127.0.0.1:${nchan_ports[0]} backlog=4096$ssl;
        $certificate
        location / {
            nchan_subscriber websocket;
            nchan_channel_id bench;
            nchan_subscriber_first_message newest;
        }
    }
    server {
        listen 127.0.0.1:${nchan_ports[1]};
        client_header_buffer_size 64k;
        client_body_buffer_size 64k;
        location / {
            nchan_publisher http;
            nchan_channel_id bench;
        }
    }
}
END
}
free_ports() { # two
    node -e "const { createServer } = require('net');
        const open = [0, 1].map(() => createServer().listen(0, '127.0.0.1'));
        open[1].on('listening', () => open.forEach((s) => { console.log(s.address().port); s.close(); }));"
}

# nginx writes no ready file: writes it once both ports answer. Its worker is what is measured.
nchan_ready() { # PID FILE
    local worker port
    worker=$(cat "/proc/$1/task/$1/children" 2>/dev/null) && [ -n "$worker" ] || return 0
    for port in "${nchan_ports[@]}"; do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
    done
    printf '{"pid":%d,"gateway":["127.0.0.1:%d"],"webhooks":["127.0.0.1:%d"]}\n' \
        "${worker%% *}" "${nchan_ports[@]}" >"$2"
}
