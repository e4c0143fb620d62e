#!/bin/sh
# Make a certificate authority and one certificate for every server of compose.yaml, unless they are there. $1: folder.
# For a machine of one's own: the authority's key is thrown away, and nobody else has a reason to trust it.
set -eu
cd "$1"
[ -f ca.pem ] && [ -f server.pem ] && exit 0

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 365 -subj "/CN=DataFlow compose" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca-key.pem -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -subj "/CN=localhost" \
    -keyout server-key.pem -out server.csr
cat >server.ext <<'EXT'
basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1,DNS:mysql,DNS:s3,DNS:postgres,DNS:redis
EXT
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 365 -extfile server.ext \
    -out server.pem.part
rm -f ca-key.pem ca.srl server.csr server.ext
chmod 644 ca.pem server.pem.part
# PostgreSQL takes a key that only its owner reads; in the images of all four servers that user has the number 999.
chmod 600 server-key.pem
if [ "$(id -u)" = 0 ]; then chown 999:999 server-key.pem; fi
# The certificate gets its name last: it says that the others are complete.
mv server.pem.part server.pem
