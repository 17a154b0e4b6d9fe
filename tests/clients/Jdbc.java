// pgjdbc: questions, server-side prepared statements, fetch size, metadata, timeouts, COPY.
// Run as `java -cp postgresql.jar Jdbc.java HOST PORT`.

import java.sql.*;
import java.util.*;

public class Jdbc {
    static int failed = 0;

    interface Act { void run() throws Exception; }

    static void check(String name, Act act) {
        try {
            act.run();
            System.out.println("ok    pgjdbc: " + name);
        } catch (Throwable error) {
            failed += 1;
            String said = String.valueOf(error.getMessage()).lines().findFirst().orElse("");
            System.out.println("FAIL  pgjdbc: " + name + ": " + said);
        }
    }

    static void same(Object got, Object want) {
        if (!Objects.equals(got, want)) throw new AssertionError("got " + got + ", wanted " + want);
    }

    static int count(ResultSet rows) throws SQLException {
        int count = 0;
        while (rows.next()) count += 1;
        return count;
    }

    static List<String> column(ResultSet rows, String name) throws SQLException {
        List<String> values = new ArrayList<>();
        while (rows.next()) values.add(rows.getString(name));
        return values;
    }

    public static void main(String[] arguments) throws Exception {
        String host = arguments.length > 0 ? arguments[0] : "127.0.0.1";
        String port = arguments.length > 1 ? arguments[1] : "5433";
        String url = "jdbc:postgresql://" + host + ":" + port + "/tacitus?user=test&prepareThreshold=2";
        try (Connection connection = DriverManager.getConnection(url)) {
            questions(connection);
            metadata(connection);
        }
        System.exit(failed);
    }

    static void questions(Connection connection) throws Exception {
        check("INSERT", () -> {
            String sql = "INSERT INTO samples (tag, ts, value) VALUES (?, ?, ?)";
            try (PreparedStatement insert = connection.prepareStatement(sql)) {
                for (int at = 0; at < 100; at++) {
                    insert.setString(1, "clients/jdbc");
                    insert.setTimestamp(2, Timestamp.from(java.time.Instant.ofEpochSecond(1772323200L + at)));
                    insert.setDouble(3, at);
                    insert.addBatch();
                }
                same(insert.executeBatch().length, 100);
            }
        });
        check("server-side prepared, binary", () -> {
            String sql = "SELECT ts, value, good FROM samples WHERE tag = ? AND value = ?";
            try (PreparedStatement question = connection.prepareStatement(sql)) {
                for (int at = 0; at < 6; at++) {
                    question.setString(1, "clients/jdbc");
                    question.setDouble(2, at);
                    ResultSet rows = question.executeQuery();
                    same(rows.next(), true);
                    same(rows.getDouble(2), (double) at);
                    same(rows.getTimestamp(1).getTime(), 1000 * (1772323200L + at));
                }
            }
        });
        check("fetch size", () -> {
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(7);
                same(count(statement.executeQuery("SELECT * FROM samples WHERE tag = 'clients/jdbc'")), 100);
            }
            connection.commit();
            connection.setAutoCommit(true);
        });
        check("query timeout", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setQueryTimeout(1);
                statement.executeQuery("SELECT count(*) FROM generate_series(1, 100000000000)");
                throw new AssertionError("it was not stopped");
            } catch (SQLException error) {
                same(error.getSQLState(), "57014");
            }
        });
        check("a list as a parameter", () -> {
            String sql = "SELECT count(*) FROM samples WHERE tag = ANY(?)";
            try (PreparedStatement question = connection.prepareStatement(sql)) {
                question.setArray(1, connection.createArrayOf("text", new String[] {"clients/jdbc"}));
                ResultSet rows = question.executeQuery();
                rows.next();
                same(rows.getLong(1), 100L);
            }
        });
    }

    static void metadata(Connection connection) throws Exception {
        DatabaseMetaData about = connection.getMetaData();
        check("version", () -> same(about.getDatabaseMajorVersion(), 16));
        check("getTables", () -> {
            List<String> names = column(about.getTables(null, "public", "%", new String[] {"TABLE"}), "TABLE_NAME");
            same(names.containsAll(List.of("latest", "samples", "tags")), true);
        });
        check("getColumns", () -> {
            List<String> names = column(about.getColumns(null, "public", "samples", "%"), "COLUMN_NAME");
            same(names.subList(0, 3), List.of("tag", "ts", "value"));
        });
        check("getSchemas", () -> same(column(about.getSchemas(), "TABLE_SCHEM").contains("public"), true));
        check("getCatalogs", () -> same(count(about.getCatalogs()) > 0, true));
        check("getPrimaryKeys", () -> count(about.getPrimaryKeys(null, "public", "samples")));
        check("getIndexInfo", () -> count(about.getIndexInfo(null, "public", "samples", false, true)));
        check("getImportedKeys", () -> same(count(about.getImportedKeys(null, "public", "samples")), 0));
        check("getTypeInfo", () -> same(count(about.getTypeInfo()) > 10, true));
        check("getProcedures", () -> count(about.getProcedures(null, "public", "%")));
        check("getFunctions", () -> count(about.getFunctions(null, "public", "%")));
    }
}
