/* cases_http.h - requests as raw bytes and what the parser makes of them, shared by
 * unit/test_http.c (whole) and property/test_http_splits.c (cut everywhere). Names begin with the
 * row of the security list. A record is what came out: for each head method, path and remarks, the
 * body in brackets, "done" at the end of a message, "! reason" for a refusal. */
#ifndef TESTS_CASES_HTTP_H
#define TESTS_CASES_HTTP_H

#include "http.h"

#include <stdlib.h>

#define GET     "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST    "POST /e HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define END     "\r\n"
#define NEXT    GET END

struct http_case {
    const char *name;
    struct slice input;
    const char *expect;
};

#define C(name, input, expect)                                                                     \
    {                                                                                              \
        name, {(const uint8_t *) (input), sizeof(input) - 1}, expect                               \
    }

static const struct http_case HTTP_CASES[] = {
    C("smallest", GET END, "GET / done"),
    C("query", "GET /a/b?x=1&y=%20 HTTP/1.1\r\nHost: a\r\n" END, "GET /a/b ?x=1&y=%20 done"),
    C("query is empty", "GET /a? HTTP/1.1\r\nHost: a\r\n" END, "GET /a ? done"),
    C("HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n" END, "GET / 1.0 close done"),
    C("HTTP/1.0 keeps alive", "GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n" END,
      "GET / 1.0 done"),
    C("asks to close", GET "Connection: x, CLOSE\r\n" END, "GET / close done"),
    C("length", POST "Content-Length: 5\r\n" END "hello", "POST /e [hello] done"),
    C("length 0", POST "Content-Length: 0\r\n" END, "POST /e done"),
    C("length with zeros in front", POST "Content-Length: 0005\r\n" END "hello",
      "POST /e [hello] done"),
    C("length, body cut", POST "Content-Length: 5\r\n" END "hel", "POST /e [hel]"),
    C("GET with a body", GET "Content-Length: 2\r\n" END "hi" NEXT, "GET / [hi] done GET / done"),
    C("chunked", CHUNKED "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "POST /e [hello world] done"),
    C("chunked, upper-case coding", POST "Transfer-Encoding: Chunked\r\n" END "0\r\n\r\n",
      "POST /e done"),
    C("chunked, sizes in all digits",
      CHUNKED "00A\r\n0123456789\r\nb\r\n0123456789a\r\n000\r\n\r\n",
      "POST /e [01234567890123456789a] done"),
    C("chunked, data like framing", CHUNKED "7\r\n0\r\n\r\nXY\r\n0\r\n\r\n",
      "POST /e [0\r\n\r\nXY] done"),
    C("pipelined", GET END POST "Content-Length: 2\r\n" END "hi" CHUNKED "1\r\nx\r\n0\r\n\r\n" NEXT,
      "GET / done POST /e [hi] done POST /e [x] done GET / done"),
    C("one CRLF between requests", GET END "\r\n" NEXT, "GET / done GET / done"),
    C("two CRLFs between requests", GET END "\r\n\r\n" NEXT, "GET / done ! line_end"),
    C("an LF between requests", GET END "\n" NEXT, "GET / done ! line_end"),
    C("a CR between requests", GET END "\r" NEXT, "GET / done ! line_end"),
    C("a CRLF before the first request", "\r\n" GET END, "! line_end"),
    C("an LF before the first request", "\n" GET END, "! line_end"),
    C("expects 100", POST "Expect: 100-Continue\r\nContent-Length: 1\r\n" END "x",
      "POST /e continue [x] done"),
    C("HTTP/1.0 cannot expect", "POST /e HTTP/1.0\r\nHost: a\r\nExpect: x\r\n" END,
      "POST /e 1.0 close done"),
    C("8-bit in a value", GET "X: caf\xc3\xa9\r\n" END, "GET / done"),
    C("tab in a value", GET "X: a\tb\r\n" END, "GET / done"),

    C("HP-01 length then coding", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END,
      "! cl_te"),
    C("HP-01 coding then length", POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END,
      "! cl_te"),
    C("HP-01 empty coding and length", POST "Transfer-Encoding:\r\nContent-Length: 5\r\n" END NEXT,
      "! cl_te"),
    C("HP-01 coding and length 0", POST "content-length: 0\r\ntransfer-encoding: chunked\r\n" END,
      "! cl_te"),

    C("HP-02 twice, equal", POST "Content-Length: 5\r\nContent-Length: 5\r\n" END "hello",
      "! bad_cl"),
    C("HP-02 twice, different", POST "Content-Length: 5\r\nContent-Length: 6\r\n" END "hello",
      "! bad_cl"),
    C("HP-02 list", POST "Content-Length: 5, 5\r\n" END "hello", "! bad_cl"),
    C("HP-02 plus", POST "Content-Length: +5\r\n" END "hello", "! bad_cl"),
    C("HP-02 minus", POST "Content-Length: -1\r\n" END "hello", "! bad_cl"),
    C("HP-02 hexadecimal", POST "Content-Length: 0x5\r\n" END "hello", "! bad_cl"),
    C("HP-02 empty", POST "Content-Length:\r\n" END "hello", "! bad_cl"),
    C("HP-02 blank", POST "Content-Length: \t \r\n" END "hello", "! bad_cl"),
    C("HP-02 inner space", POST "Content-Length: 5 5\r\n" END "hello", "! bad_cl"),
    C("HP-02 fraction", POST "Content-Length: 5.0\r\n" END "hello", "! bad_cl"),
    C("HP-02 2^64", POST "Content-Length: 18446744073709551616\r\n" END "hello", "! bad_cl"),
    C("HP-02 2^64 + 5", POST "Content-Length: 18446744073709551621\r\n" END "hello", "! bad_cl"),
    C("HP-02 2^64 - 1 is a number", POST "Content-Length: 18446744073709551615\r\n" END "x",
      "POST /e [x]"),

    C("HP-03 twice", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END,
      "! bad_te"),
    C("HP-03 HTTP/1.0", "POST /e HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" END,
      "! bad_te"),
    C("HP-03 empty", POST "Transfer-Encoding:\r\n" END, "! bad_te"),
    C("HP-03 identity after", POST "Transfer-Encoding: chunked, identity\r\n" END, "! bad_te"),
    C("HP-03 gzip before", POST "Transfer-Encoding: gzip, chunked\r\n" END, "! bad_te"),
    C("HP-03 chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n" END, "! bad_te"),
    C("HP-03 xchunked", POST "Transfer-Encoding: xchunked\r\n" END, "! bad_te"),
    C("HP-03 chunkedx", POST "Transfer-Encoding: chunkedx\r\n" END, "! bad_te"),
    C("HP-03 quoted", POST "Transfer-Encoding: \"chunked\"\r\n" END, "! bad_te"),
    C("HP-03 parameter", POST "Transfer-Encoding: chunked;q=1\r\n" END, "! bad_te"),
    C("HP-03 identity", POST "Transfer-Encoding: identity\r\n" END, "! bad_te"),
    C("HP-03 comma", POST "Transfer-Encoding: ,chunked\r\n" END, "! bad_te"),

    C("HP-04 first header", "GET / HTTP/1.1\r\n Host: a\r\n" END, "! obs_fold"),
    C("HP-04 first header, tab", "GET / HTTP/1.1\r\n\tHost: a\r\n" END, "! obs_fold"),
    C("HP-04 continued value", GET "X: a\r\n b\r\n" END, "! obs_fold"),
    C("HP-04 coding", POST "Transfer-Encoding:\r\n chunked\r\n" END, "! obs_fold"),
    C("HP-04 length", POST "X: y\r\n Content-Length: 5\r\n" END "hello", "! obs_fold"),
    C("HP-04 blank line of spaces", GET "  \r\n" END, "! obs_fold"),

    C("HP-05 LF ends the request line", "GET / HTTP/1.1\nHost: a\r\n" END, "! line_end"),
    C("HP-05 LF ends a header", "GET / HTTP/1.1\r\nHost: a\n" END, "! line_end"),
    C("HP-05 LF ends the head", GET "\n" NEXT, "! line_end"),
    C("HP-05 LF in a name", GET "X\nY: z\r\n" END, "! line_end"),
    C("HP-05 LF after the target", "GET /\nHost: a\r\n" END, "! line_end"),
    C("HP-05 LF after the method", "GET\n/ HTTP/1.1\r\nHost: a\r\n" END, "! line_end"),
    C("HP-05 CR ends the request line", "GET / HTTP/1.1\rHost: a\r\n" END, "! line_end"),
    C("HP-05 CR in the target", "GET /\rX HTTP/1.1\r\nHost: a\r\n" END, "! line_end"),
    C("HP-05 CR in a value", GET "X: a\rb\r\n" END, "! line_end"),
    C("HP-05 CR hides a header", GET "X:\rTransfer-Encoding: chunked\r\n" END, "! line_end"),
    C("HP-05 CR after a name", GET "X\r: y\r\n" END, "! line_end"),
    C("HP-05 two CRs", GET "X: a\r\r\n" END, "! line_end"),
    C("HP-05 CR X ends the head", GET "\rX" NEXT, "! line_end"),
    C("HP-05 CR CR LF ends the head", GET "\r\r\n" NEXT, "! line_end"),
    C("HP-05 smuggled after CR", POST "Transfer-Encoding: chunked\r\n\rX0\r\n\r\n" NEXT,
      "! line_end"),

    C("HP-06 overflow", CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n", "POST /e ! chunk"),
    C("HP-06 16 digits", CHUNKED "0000000000000005\r\nhello\r\n0\r\n\r\n", "POST /e ! chunk"),
    C("HP-06 15 digits", CHUNKED "000000000000005\r\nhello\r\n0\r\n\r\n", "POST /e [hello] done"),
    C("HP-06 space before", CHUNKED " 5\r\nhello\r\n0\r\n\r\n", "POST /e ! chunk"),
    C("HP-06 space after", CHUNKED "5 \r\nhello\r\n0\r\n\r\n", "POST /e ! chunk"),
    C("HP-06 space, then an extension", CHUNKED "5 ;a\r\nhello\r\n0\r\n\r\n", "POST /e ! chunk"),
    C("HP-06 0x", CHUNKED "0x1\r\nh\r\n0\r\n\r\n", "POST /e ! chunk"),
    C("HP-06 sign", CHUNKED "+1\r\nh\r\n0\r\n\r\n", "POST /e ! chunk"),
    C("HP-06 negative", CHUNKED "-1\r\nh\r\n0\r\n\r\n", "POST /e ! chunk"),
    C("HP-06 no digits", CHUNKED "\r\nh\r\n0\r\n\r\n", "POST /e ! chunk"),
    C("HP-06 only an extension", CHUNKED ";a\r\nh\r\n0\r\n\r\n", "POST /e ! chunk"),
    C("HP-06 LF after the size", CHUNKED "5\nhello\r\n0\r\n\r\n", "POST /e ! chunk"),
    C("HP-06 CR X after the size", CHUNKED "5\rXhello\r\n0\r\n\r\n", "POST /e ! chunk"),
    C("HP-06 LF after the data", CHUNKED "5\r\nhello\n0\r\n\r\n", "POST /e [hello] ! chunk"),
    C("HP-06 no line end after the data", CHUNKED "5\r\nhelloX0\r\n\r\n",
      "POST /e [hello] ! chunk"),
    C("HP-06 CR X after the data", CHUNKED "5\r\nhello\rX0\r\n\r\n", "POST /e [hello] ! chunk"),
    C("HP-06 data longer than said", CHUNKED "4\r\nhello\r\n0\r\n\r\n", "POST /e [hell] ! chunk"),
    C("HP-06 LF ends the body", CHUNKED "0\r\n\n", "POST /e ! chunk"),
    C("HP-06 CR X ends the body", CHUNKED "0\r\n\rX", "POST /e ! chunk"),
    C("HP-06 NUL", CHUNKED "5\0\r\nhello\r\n0\r\n\r\n", "POST /e ! chunk"),

    C("HP-07 extension", CHUNKED "5;a=b;c=\"d e\";f\r\nhello\r\n0;z\r\n\r\n",
      "POST /e [hello] done"),
    C("HP-07 tab in an extension", CHUNKED "5;a\tb\r\nhello\r\n0\r\n\r\n", "POST /e ! chunk_ext"),
    C("HP-07 NUL in an extension", CHUNKED "5;\0\r\nhello\r\n0\r\n\r\n", "POST /e ! chunk_ext"),
    C("HP-07 LF in an extension", CHUNKED "5;a\nhello\r\n0\r\n\r\n", "POST /e ! chunk_ext"),
    C("HP-07 8-bit in an extension", CHUNKED "5;\xff\r\nhello\r\n0\r\n\r\n", "POST /e ! chunk_ext"),
    C("HP-07 broken extension", CHUNKED "5;a b\r\nhello\r\n0\r\n\r\n", "POST /e ! chunk_ext"),
    C("HP-07 quote not closed", CHUNKED "5;a=\"b\r\nhello\r\n0\r\n\r\n", "POST /e ! chunk_ext"),
    C("HP-07 CR in an extension", CHUNKED "5;a\rb\r\nhello\r\n0\r\n\r\n", "POST /e ! chunk"),
    C("HP-07 trailer", CHUNKED "5\r\nhello\r\n0\r\nX: y\r\n\r\n", "POST /e [hello] ! trailer"),
    C("HP-07 trailer without a name", CHUNKED "0\r\n: y\r\n\r\n", "POST /e ! trailer"),
    C("HP-07 trailer that is a fold", CHUNKED "0\r\n y\r\n\r\n", "POST /e ! trailer"),

    C("HP-08 no host", "GET / HTTP/1.1\r\n" END, "! host"),
    C("HP-08 no host in 1.0", "GET / HTTP/1.0\r\n" END, "! host"),
    C("HP-08 two", GET "Host: a\r\n" END, "! host"),
    C("HP-08 two, other case", GET "hOST: b\r\n" END, "! host"),
    C("HP-08 empty", "GET / HTTP/1.1\r\nHost:\r\n" END, "! host"),
    C("HP-08 userinfo", "GET / HTTP/1.1\r\nHost: u@a\r\n" END, "! host"),
    C("HP-08 path", "GET / HTTP/1.1\r\nHost: a/b\r\n" END, "! host"),
    C("HP-08 scheme", "GET / HTTP/1.1\r\nHost: http://a\r\n" END, "! host"),
    C("HP-08 list", "GET / HTTP/1.1\r\nHost: a, b\r\n" END, "! host"),
    C("HP-08 list without space", "GET / HTTP/1.1\r\nHost: a,b\r\n" END, "! host"),
    C("HP-08 space", "GET / HTTP/1.1\r\nHost: a b\r\n" END, "! host"),
    C("HP-08 8-bit", "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n" END, "! host"),
    C("HP-08 port", "GET / HTTP/1.1\r\nHost: a.example:8080\r\n" END, "GET / done"),
    C("HP-08 empty port", "GET / HTTP/1.1\r\nHost: a:\r\n" END, "! host"),
    C("HP-08 port of letters", "GET / HTTP/1.1\r\nHost: a:http\r\n" END, "! host"),
    C("HP-08 port 65536", "GET / HTTP/1.1\r\nHost: a:65536\r\n" END, "! host"),
    C("HP-08 port of six digits", "GET / HTTP/1.1\r\nHost: a:000080\r\n" END, "! host"),
    C("HP-08 port alone", "GET / HTTP/1.1\r\nHost: :80\r\n" END, "! host"),
    C("HP-08 IPv4", "GET / HTTP/1.1\r\nHost: 127.0.0.1:80\r\n" END, "GET / done"),
    C("HP-08 IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n" END, "GET / done"),
    C("HP-08 IPv6 without port", "GET / HTTP/1.1\r\nHost: [fe80::1]\r\n" END, "GET / done"),
    C("HP-08 IPv6 without brackets", "GET / HTTP/1.1\r\nHost: ::1\r\n" END, "! host"),
    C("HP-08 IPv6 not closed", "GET / HTTP/1.1\r\nHost: [::1\r\n" END, "! host"),
    C("HP-08 IPv6, noise after", "GET / HTTP/1.1\r\nHost: [::1]x\r\n" END, "! host"),
    C("HP-08 brackets with a name", "GET / HTTP/1.1\r\nHost: [a]\r\n" END, "! host"),
    C("HP-08 escape", "GET / HTTP/1.1\r\nHost: a%20b\r\n" END, "GET / done"),
    C("HP-08 broken escape", "GET / HTTP/1.1\r\nHost: a%2\r\n" END, "! host"),

    C("HP-09 HTTP/0.9", "GET /\r\n", "! version"),
    C("HP-09 HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n" END, "! version"),
    C("HP-09 HTTP/2", "GET / HTTP/2\r\nHost: a\r\n" END, "! version"),
    C("HP-09 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "! version"),
    C("HP-09 HTTP/1.9", "GET / HTTP/1.9\r\nHost: a\r\n" END, "! version"),
    C("HP-09 HTTP/1.10", "GET / HTTP/1.10\r\nHost: a\r\n" END, "! version"),
    C("HP-09 HTTP/11", "GET / HTTP/11\r\nHost: a\r\n" END, "! version"),
    C("HP-09 HTTP/0.9 said", "GET / HTTP/0.9\r\nHost: a\r\n" END, "! version"),
    C("HP-09 HTTP/1", "GET / HTTP/1\r\nHost: a\r\n" END, "! version"),
    C("HP-09 another protocol", "OPTIONS rtsp://a RTSP/1.0\r\nHost: a\r\n" END, "! request_line"),
    C("HP-09 lower case", "GET / http/1.1\r\nHost: a\r\n" END, "! request_line"),

    C("HP-10 upgrade with a length",
      POST "Upgrade: websocket\r\nConnection: Upgrade\r\n"
           "Content-Length: 2\r\n" END "hi" NEXT,
      "POST /e [hi] done GET / done"),
    C("HP-10 upgrade with chunks",
      POST "Upgrade: websocket\r\nConnection: Upgrade\r\n"
           "Transfer-Encoding: chunked\r\n" END "2\r\nhi\r\n0\r\n\r\n" NEXT,
      "POST /e [hi] done GET / done"),
    C("HP-10 upgrade to HTTP/2",
      GET "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
          "HTTP2-Settings: AAMAAABkAAQ\r\n" END NEXT,
      "GET / done GET / done"),

    C("HP-12 NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n" END, "! token"),
    C("HP-12 8-bit in the target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n" END, "! token"),
    C("HP-12 control in the target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n" END, "! token"),
    C("HP-12 tab in the target", "GET /\t HTTP/1.1\r\nHost: a\r\n" END, "! token"),
    C("HP-12 DEL in the target", "GET /\x7f HTTP/1.1\r\nHost: a\r\n" END, "! token"),
    C("HP-12 fragment in the target", "GET /#x HTTP/1.1\r\nHost: a\r\n" END, "! token"),
    C("HP-12 NUL in a value", GET "X: a\0b\r\n" END, "! token"),
    C("HP-12 control in a value", GET "X: a\x0b\r\n" END, "! token"),
    C("HP-12 DEL in a value", GET "X: a\x7f\r\n" END, "! token"),
    C("HP-12 no name", GET ": a\r\n" END, "! token"),
    C("HP-12 space before the colon", GET "X : a\r\n" END, "! token"),
    C("HP-12 space in a name", GET "X Y: a\r\n" END, "! token"),
    C("HP-12 8-bit in a name", GET "X\xe9: a\r\n" END, "! token"),
    C("HP-12 NUL in a name", GET "X\0: a\r\n" END, "! token"),
    C("HP-12 bracket in a name", GET "X[: a\r\n" END, "! token"),
    C("HP-12 no colon", GET "nothing\r\n" END, "! token"),
    C("HP-12 two spaces before the target", "GET  / HTTP/1.1\r\nHost: a\r\n" END, "! request_line"),
    C("HP-12 two spaces after the target", "GET /  HTTP/1.1\r\nHost: a\r\n" END, "! request_line"),
    C("HP-12 space ends the line", "GET / HTTP/1.1 \r\nHost: a\r\n" END, "! request_line"),
    C("HP-12 two targets", "GET / / HTTP/1.1\r\nHost: a\r\n" END, "! request_line"),
    C("HP-12 no target", "GET HTTP/1.1\r\nHost: a\r\n" END, "! version"),
    C("HP-12 tab after the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n" END, "! request_line"),
    C("HP-12 only a method", "GET\r\n\r\n", "! request_line"),
    C("HP-12 relative target", "GET a HTTP/1.1\r\nHost: a\r\n" END, "! request_line"),

    C("HP-15 CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n" END "\x16\x03\x01",
      "OTHER  close done ! tls_hello"),
    C("HP-15 CONNECT without port", "CONNECT a HTTP/1.1\r\nHost: a\r\n" END, "! request_line"),
    C("HP-15 CONNECT to a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n" END, "! request_line"),
    C("HP-15 TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n" END, "OTHER / close done"),
    C("HP-15 unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n" END, "OTHER / close done"),
    C("HP-15 unknown method with a body",
      "BREW / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n" END "hi", "OTHER / close [hi] done"),
    C("HP-15 lower-case method", "get / HTTP/1.1\r\nHost: a\r\n" END, "OTHER / close done"),
    C("HP-15 all methods",
      "HEAD / HTTP/1.1\r\nHost: a\r\n\r\nPUT / HTTP/1.1\r\nHost: a\r\n\r\n"
      "PATCH / HTTP/1.1\r\nHost: a\r\n\r\nDELETE / HTTP/1.1\r\nHost: a\r\n\r\n"
      "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n",
      "HEAD / done PUT / done PATCH / done DELETE / done OPTIONS / done"),
    C("HP-15 method with a bad character", "G(T / HTTP/1.1\r\nHost: a\r\n" END, "! request_line"),
    C("HP-15 method of 33 characters", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n",
      "! request_line"),
    C("HP-15 method of 31 characters",
      "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDE / HTTP/1.1\r\nHost: a\r\n" END, "OTHER / close done"),
    C("HP-15 absolute form", "GET http://a/x?y HTTP/1.1\r\nHost: a\r\n" END, "GET /x ?y done"),
    C("HP-15 absolute form, other case", "GET HTTPS://A.b:1/x HTTP/1.1\r\nHost: a.B:1\r\n" END,
      "GET /x done"),
    C("HP-15 absolute form without path", "GET http://a HTTP/1.1\r\nHost: a\r\n" END, "GET / done"),
    C("HP-15 absolute form, query only", "GET http://a?x HTTP/1.1\r\nHost: a\r\n" END,
      "GET / ?x done"),
    C("HP-15 absolute form, other host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n" END, "! host"),
    C("HP-15 absolute form, other port", "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n" END, "! host"),
    C("HP-15 absolute form, userinfo", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n" END, "! host"),
    C("HP-15 absolute form, no host", "GET http:///x HTTP/1.1\r\nHost: a\r\n" END, "! host"),
    C("HP-15 other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n" END, "! request_line"),
    C("HP-15 asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n" END, "! request_line"),
    C("HP-15 other expectation", POST "Expect: x\r\n" END, "! expect"),
    C("HP-15 expectation twice", POST "Expect: 100-continue\r\nExpect: 100-continue\r\n" END,
      "! expect"),
    C("HP-15 empty expectation", POST "Expect:\r\n" END, "! expect"),

    C("LM-03 TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "! tls_hello"),
    C("LM-03 MQTT", "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", "! request_line"),
    C("LM-03 zeros", "\0\0\0\0\0\0\0\0\0\0\0\0", "! request_line"),
    C("LM-03 SSH", "SSH-2.0-OpenSSH_9.2p1\r\n", "! request_line"),
    C("LM-03 SMTP", "EHLO a.example\r\n", "! version"),
    C("LM-03 WebSocket frame", "\x81\x85\x00\x00\x00\x00hello", "! request_line"),
    C("LM-03 JSON", "{\"jsonrpc\": \"2.0\"}", "! request_line"),
    C("LM-03 PROXY header", "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", "! request_line"),
};

struct http_record {
    struct buf text;
    size_t used;    /* bytes the parser took */
    unsigned heads; /* requests that would have been dispatched */
    struct http *http;
    bool in_body, refused;
};

static inline void record_add(struct http_record *r, const char *s)
{
    if (r->in_body && buf_append_str(&r->text, "]") < 0)
        abort();
    r->in_body = false;
    if ((r->text.len > 0 && buf_append_str(&r->text, " ") < 0) || buf_append_str(&r->text, s) < 0)
        abort();
}

static inline void record_head(struct http_record *r)
{
    static const char *const METHODS[] = {"GET",   "HEAD",   "POST",    "PUT",
                                          "PATCH", "DELETE", "OPTIONS", "OTHER"};
    const struct http_head *head = http_get_head(r->http);
    r->heads++;
    record_add(r, METHODS[head->method]);
    if (buf_append_str(&r->text, " ") < 0 || buf_append(&r->text, head->path) < 0)
        abort();
    if (head->query.data != NULL) {
        record_add(r, "?");
        if (buf_append(&r->text, head->query) < 0)
            abort();
    }
    if (head->minor == 0)
        record_add(r, "1.0");
    if (!head->keep_alive)
        record_add(r, "close");
    if (head->expect_continue)
        record_add(r, "continue");
}

static inline void record_body(struct http_record *r, struct slice body)
{
    if (!r->in_body)
        record_add(r, "[");
    r->in_body = true;
    if (buf_append(&r->text, body) < 0)
        abort();
}

/* Feeds one piece from memory of exactly its size, so that a read beyond it is noticed. */
static inline void record_piece(struct http_record *r, struct slice piece)
{
    uint8_t *copy = malloc(piece.len + 1) /* 0 is fine too */, *end;
    if (copy == NULL)
        abort();
    end = copy + 1 + piece.len;
    copy += 1;
    if (piece.data != NULL)
        memcpy(copy, piece.data, piece.len);
    struct slice in = slice_of(copy, piece.len), body;
    while (!r->refused) {
        size_t used;
        enum http_event event = http_feed(r->http, in, &used, &body);
        if (used > in.len || (event == HTTP_BODY &&
                              (body.len == 0 || body.data < copy || body.data + body.len > end)))
            abort();
        r->used += used;
        in = slice_from(in, used);
        if (event == HTTP_MORE) {
            if (in.len > 0)
                abort();
            break;
        } else if (event == HTTP_HEAD) {
            record_head(r);
        } else if (event == HTTP_BODY) {
            record_body(r, body);
        } else if (event == HTTP_DONE) {
            record_add(r, "done");
            http_next(r->http);
        } else {
            r->refused = true;
            record_add(r, "!");
            record_add(r, refuse_info(http_refusal(r->http))->name);
        }
    }
    free(copy - 1);
}

/* The record of `input` cut at `cuts` (ascending); for record_fini(). */
static inline struct http_record record_http(struct slice input, const size_t *cuts, size_t n_cuts)
{
    struct http_record r = {.http = http_new()};
    size_t start = 0;
    buf_init(&r.text, 1 << 22);
    for (size_t i = 0; i <= n_cuts; i++) {
        size_t end = i < n_cuts ? cuts[i] : input.len;
        record_piece(&r, slice_sub(input, start, end));
        start = end;
    }
    if (r.in_body && buf_append_str(&r.text, "]") < 0)
        abort();
    if (buf_append(&r.text, slice_of("", 1)) < 0) /* a C string for the message */
        abort();
    return r;
}

static inline const char *record_text(const struct http_record *r)
{
    return (const char *) r->text.data;
}

static inline void record_fini(struct http_record *r)
{
    http_free(r->http);
    buf_fini(&r->text);
}

#endif
