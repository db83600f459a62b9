# The Debian package: `cpack -G DEB` in a build folder, or scripts/package. What only the package has
# is the component `debian`, which `cmake --install` leaves out.
set(PACKAGE_DIR ${CMAKE_BINARY_DIR}/package)
set(PACKAGE_DOCS share/doc/regcast)

# conf/regcast.yaml with the places of an installed program, and closed to other machines.
file(READ conf/regcast.yaml PACKAGE_CONFIG)
function(package_replace from to)
    string(FIND "${PACKAGE_CONFIG}" "${from}" at)
    if(at EQUAL -1)
        message(FATAL_ERROR "conf/regcast.yaml has no \"${from}\" any more, which the package replaces")
    endif()
    string(REPLACE "${from}" "${to}" replaced "${PACKAGE_CONFIG}")
    set(PACKAGE_CONFIG "${replaced}" PARENT_SCOPE)
endfunction()
package_replace("--config conf/regcast.yaml" "--config /etc/regcast/regcast.yaml")
package_replace("conf/reference.md" "/usr/share/doc/regcast/reference.md")
package_replace("data_dir: ./data" "data_dir: /var/lib/regcast")
package_replace("log_level: info" "user: regcast                          # whom regcastd becomes when root starts it\nlog_level: info")
package_replace("  listen: [\"0.0.0.0:8080\"]"
    "  # For clients on other machines: [\"0.0.0.0:8080\"]; [\"[::]:8080\"] is IPv4 and IPv6.\n  listen: [\"127.0.0.1:8080\"]")
file(CONFIGURE OUTPUT ${PACKAGE_DIR}/regcast.yaml CONTENT "${PACKAGE_CONFIG}" @ONLY)

set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS conf/regcast.yaml)
string(TIMESTAMP PACKAGE_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC) # SOURCE_DATE_EPOCH, where it is set
configure_file(conf/debian/changelog.in package/changelog @ONLY)
configure_file(conf/debian/copyright.in package/copyright @ONLY)
add_custom_command(OUTPUT ${PACKAGE_DIR}/changelog.gz ${PACKAGE_DIR}/regcastd.8.gz VERBATIM
    DEPENDS ${PACKAGE_DIR}/changelog ${CMAKE_SOURCE_DIR}/conf/regcastd.8
    COMMAND gzip -9nc ${PACKAGE_DIR}/changelog > ${PACKAGE_DIR}/changelog.gz
    COMMAND gzip -9nc ${CMAKE_SOURCE_DIR}/conf/regcastd.8 > ${PACKAGE_DIR}/regcastd.8.gz)
add_custom_target(package_texts ALL DEPENDS ${PACKAGE_DIR}/changelog.gz ${PACKAGE_DIR}/regcastd.8.gz)

install(FILES ${PACKAGE_DIR}/regcast.yaml DESTINATION /etc/regcast PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ
    COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES conf/regcastd.service conf/regcastd.socket DESTINATION /lib/systemd/system COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${CMAKE_BINARY_DIR}/regcast.zsh RENAME _regcast DESTINATION share/zsh/vendor-completions
    COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES conf/debian/lintian-overrides RENAME regcast DESTINATION share/lintian/overrides
    COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${PACKAGE_DIR}/regcastd.8.gz DESTINATION share/man/man8 COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES README.md CHANGELOG.md SECURITY.md conf/reference.md docs/operations.md docs/metrics.md docs/registries.md docs/compatibility.md docs/filters.md docs/cluster.md docs/openapi.json
    conf/sample-event.json conf/takeover.conf ${PACKAGE_DIR}/changelog.gz ${PACKAGE_DIR}/copyright
    DESTINATION ${PACKAGE_DOCS} COMPONENT debian EXCLUDE_FROM_ALL)
install(DIRECTORY docs/images DESTINATION ${PACKAGE_DOCS}/docs COMPONENT debian EXCLUDE_FROM_ALL)
install(DIRECTORY conf/proxies conf/prometheus conf/grafana DESTINATION ${PACKAGE_DOCS}/examples COMPONENT debian EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_INSTALL_CMAKE_PROJECTS
    "${CMAKE_BINARY_DIR};${PROJECT_NAME};Unspecified;/;${CMAKE_BINARY_DIR};${PROJECT_NAME};debian;/")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_NAME regcast)
set(CPACK_PACKAGE_VENDOR regcast)
set(CPACK_PACKAGE_CONTACT "The regcast authors <regcast@regcast.example>")
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "WebSocket broadcast gateway for container registries
regcast takes the webhooks of a container registry, filters and batches them
by triggers, and broadcasts each batch to every WebSocket connection open on
the trigger's path. What was acknowledged is on disk first, and a client that
was away gets what it missed.

The package has the daemon, regcastd, its systemd unit, and the command line,
regcast.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_SOURCE_DIR}/conf/debian/conffiles ${CMAKE_SOURCE_DIR}/conf/debian/postinst
    ${CMAKE_SOURCE_DIR}/conf/debian/prerm ${CMAKE_SOURCE_DIR}/conf/debian/postrm)
include(CPack)
