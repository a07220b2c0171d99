# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# nginx, a master and two workers: files, compression, a proxy to itself, errors, under ab with 50 clients;
# a reload of the configuration between; then each page once, compared.
weight=light
kernels=sim:1G
packages='nginx apache2-utils curl procps'
programs='/usr/sbin/nginx /usr/bin/ab /usr/bin/curl'
requests=4000

under_load() {
    ab -q -n "$requests" -c 50 "$@" 2>&1 |
        grep -E '^(Document Length|Complete requests|Failed requests|Non-2xx responses|HTML transferred)' ||
        fail "ab $*"
}

# All workers are new ones, and both are there.
reloaded() {
    local worker
    for worker in $old_workers; do
        ! kill -0 "$worker" || return 1
    done
    [ "$(pgrep -c -P "$master" -f 'worker process$')" -eq 2 ]
}

job() {
    local port worker
    port=$(free_port)
    mkdir -p www tmp
    seq 1 4000 >www/numbers.txt
    printf '<html><body>%s</body></html>\n' "$(seq -s ' ' 1 200)" >www/index.html
    printf 'name: <!--# echo var="arg_name" default="nobody" -->, page: %s\n' \
        '<!--# include virtual="/index.html" -->' >www/part.shtml
    cat >nginx.conf <<END
worker_processes 2;
pid $PWD/nginx.pid;
error_log $PWD/error.log warn;
daemon off;
$([ "$(id -u)" -ne 0 ] || echo 'user root;')
events { worker_connections 256; }
http {
    access_log $PWD/access.log;
    client_body_temp_path tmp/body;
    proxy_temp_path tmp/proxy;
    fastcgi_temp_path tmp/fastcgi;
    uwsgi_temp_path tmp/uwsgi;
    scgi_temp_path tmp/scgi;
    types { text/html html shtml; text/plain txt; }
    keepalive_requests 100000;
    proxy_cache_path $PWD/tmp/cache keys_zone=pages:1m;
    upstream self { server unix:$PWD/self.sock; keepalive 8; }
    server {
        listen 127.0.0.1:$port;
        listen unix:$PWD/self.sock;
        root $PWD/www;
        gzip on;
        gzip_types text/plain;
        gzip_min_length 100;
        ssi on;
        location /proxy/ { proxy_pass http://self/; proxy_http_version 1.1; proxy_set_header Connection ""; }
        location /cached/ { proxy_pass http://self/; proxy_cache pages; proxy_cache_valid 200 1h; }
        location ~ ^/old/(.*)\$ { rewrite ^/old/(.*)\$ /\$1 last; }
        location /echo { return 200 "\$request_method \$arg_a \$http_x_long\n"; }
    }
}
END
    nginx -p "$PWD" -c nginx.conf -t 2>&1 | sed "s#$PWD#.#g"
    start nginx -p "$PWD" -c nginx.conf
    master=$server_pid
    wait_until curl -sf "http://127.0.0.1:$port/"
    loaded "$master"
    for worker in $(pgrep -P "$master"); do
        loaded "$worker"
    done
    under_load "http://127.0.0.1:$port/index.html"
    under_load -k "http://127.0.0.1:$port/numbers.txt"
    under_load -k -H 'Accept-Encoding: gzip' "http://127.0.0.1:$port/numbers.txt"
    old_workers=$(pgrep -P "$master" -f 'worker process$')
    kill -HUP "$master"
    wait_until reloaded
    under_load -k "http://127.0.0.1:$port/proxy/index.html"
    under_load "http://127.0.0.1:$port/cached/numbers.txt"
    under_load -k "http://127.0.0.1:$port/nothing"
    for page in index.html part.shtml?name=somebody proxy/part.shtml cached/numbers.txt old/index.html \
        echo?a=1 nothing; do
        echo "$page $(curl -s --compressed -H "X-Long: $(printf 'x%.0s' {1..3000})" -w '%{http_code}' \
            "http://127.0.0.1:$port/$page" | digest)"
    done
    head -c 300000 /dev/zero >body
    curl -s -o /dev/null -w '%{http_code}\n' -X POST --data-binary @body "http://127.0.0.1:$port/proxy/echo"
    # A few more than asked for: ab has requests on their way when it has enough.
    [ "$(grep -c 'HTTP/1' access.log)" -ge 28000 ] && echo 'all are in the log'
    grep -E '\[(alert|crit|emerg)\]' error.log || echo 'no alert'
    kill -QUIT "$master"
    wait "$master"
    echo "nginx ended with status $?"
}
