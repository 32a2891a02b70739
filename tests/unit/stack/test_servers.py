from quartet_cli.stack import Stack, kafka, postgres, redis


class TestPostgres:
    def test_listens_on_this_machine_and_on_tls_alone(self, stack: Stack):
        text = postgres.configuration(stack)

        assert "listen_addresses = '127.0.0.1'" in text
        assert "unix_socket_directories = ''" in text
        assert postgres.HBA == "hostssl all all 127.0.0.1/32 scram-sha-256\n"

    def test_skips_fsync_in_tests_but_never_the_commit(self, stack: Stack, test_stack: Stack):
        assert "\nfsync = 'on'" in postgres.configuration(stack)
        assert "\nfsync = 'off'" in postgres.configuration(test_stack)
        assert "synchronous_commit = 'on'" in postgres.configuration(test_stack)


class TestRedis:
    def test_shows_a_service_its_own_keys_and_channels_only(self, stack: Stack):
        users = dict([*line.split()[1:2], line] for line in redis.access_list(stack).splitlines())

        assert users["default"] == "user default off"
        assert " ~chat:* &chat:* +@all -@admin -@dangerous +info" in users["chat"]
        assert users.keys() == {"default", "operator", "auth", "profile", "calendar", "chat"}

    def test_keeps_no_password_in_its_files(self, stack: Stack):
        text = redis.access_list(stack) + redis.configuration(stack)

        assert not any(secret in text for secret in stack.passwords.values())

    def test_has_no_port_without_tls_and_a_number_for_each_test_worker(self, test_stack: Stack):
        lines = redis.configuration(test_stack).splitlines()

        assert "port 0" in lines
        assert "databases 9" in lines


class TestKafka:
    def test_knows_clients_by_certificate_and_refuses_what_no_rule_allows(self, stack: Stack):
        lines = kafka.configuration(stack).splitlines()

        assert "ssl.client.auth=required" in lines
        assert "allow.everyone.if.no.acl.found=false" in lines
        assert "auto.create.topics.enable=false" in lines
        assert "super.users=User:kafka;User:operator" in lines
        assert "listener.security.protocol.map=CONTROLLER:SSL,MTLS:SSL" in lines

    def test_quotes_its_options_so_that_a_folder_may_have_a_space(self, stack: Stack):
        lines = kafka.java_options(stack).splitlines()

        assert all(line.startswith('"') and line.endswith('"') for line in lines)
