# cmake -DIN=FILE -DOUT=HEADER -DNAME=ARRAY -P: a file's bytes as a C array.
file(READ ${IN} HEX HEX)
string(REGEX REPLACE "(..)" "0x\\1," BYTES "${HEX}")
get_filename_component(FROM ${IN} NAME)
file(WRITE ${OUT} "/* Made from ${FROM}. */\nstatic const unsigned char ${NAME}[] = {${BYTES}};\n")
